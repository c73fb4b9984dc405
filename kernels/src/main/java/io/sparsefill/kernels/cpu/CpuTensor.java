package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;

/** A row-major fp32 matrix outside the Java heap. */
final class CpuTensor implements Tensor {
  private final Pointer owned;
  private final FloatPointer data;
  private final long rows;
  private final long cols;
  private boolean closed;

  private CpuTensor(Pointer owned, FloatPointer data, long rows, long cols) {
    this.owned = owned;
    this.data = data;
    this.rows = rows;
    this.cols = cols;
  }

  static CpuTensor allocate(long rows, long cols, String what) {
    long bytes = Math.multiplyExact(Math.multiplyExact(rows, cols), (long) Float.BYTES);
    // malloc, not JavaCPP's tracked allocation: that one is limited by the heap size, and this
    // memory has an owner.
    Pointer memory = Pointer.malloc(Math.max(bytes, Float.BYTES));
    if (memory == null || memory.isNull()) {
      throw new OutOfMemoryError(
          "Cannot allocate %.1f MiB for %s: the system has %.1f MiB free; use a shorter document or --weights stream"
              .formatted(bytes / 1048576.0, what, Pointer.availablePhysicalBytes() / 1048576.0));
    }
    return new CpuTensor(memory, new FloatPointer(memory), rows, cols);
  }

  static CpuTensor of(Tensor tensor) {
    if (tensor instanceof CpuTensor cpu) {
      return cpu;
    }
    throw new IllegalArgumentException(
        "The CPU backend cannot use a " + tensor.getClass().getSimpleName());
  }

  @Override
  public long rows() {
    return rows;
  }

  @Override
  public long cols() {
    return cols;
  }

  @Override
  public CpuTensor rows(long from, long count) {
    if (from < 0 || count < 0 || from + count > rows) {
      throw new IndexOutOfBoundsException(
          "rows [%d, %d) of a tensor of %d rows".formatted(from, from + count, rows));
    }
    return new CpuTensor(null, pointer(from), count, cols);
  }

  /** The address of a row, for native calls; valid while the owning tensor is open. */
  FloatPointer pointer(long row) {
    if (closed) {
      throw new IllegalStateException("Tensor of %d x %d is closed".formatted(rows, cols));
    }
    return new FloatPointer(data).position(data.position() + row * cols);
  }

  /** The memory of rows [from, from + count) as a buffer whose index 0 is the first of them. */
  FloatBuffer buffer(long from, int count) {
    long floats = count * cols;
    if (floats > Integer.MAX_VALUE / Float.BYTES) {
      throw new IllegalArgumentException(
          "%d rows of %d columns do not fit into one buffer".formatted(count, cols));
    }
    FloatPointer start = pointer(from);
    ByteBuffer bytes =
        new org.bytedeco.javacpp.BytePointer(start)
            .position(start.position() * Float.BYTES)
            .limit((start.position() + floats) * Float.BYTES)
            .asByteBuffer();
    return bytes.order(ByteOrder.nativeOrder()).asFloatBuffer();
  }

  @Override
  public void close() {
    if (owned != null && !closed) {
      closed = true;
      Pointer.free(owned);
    }
  }
}
