package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.Shapes;
import io.sparsefill.kernels.Tensor;
import java.nio.FloatBuffer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;

/** A row-major fp32 matrix outside the Java heap. */
final class CpuTensor implements Tensor {
  private final Pointer memory;
  private final CpuTensor owner; // of the memory: this tensor, or the one that this is a view of
  private final FloatPointer data;
  private final long rows;
  private final long cols;
  private boolean closed;

  private CpuTensor(Pointer memory, long rows, long cols) {
    this.memory = memory;
    this.owner = this;
    this.data = new FloatPointer(memory);
    this.rows = rows;
    this.cols = cols;
  }

  private CpuTensor(CpuTensor owner, FloatPointer data, long rows, long cols) {
    this.memory = null;
    this.owner = owner;
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
    return new CpuTensor(memory, rows, cols);
  }

  static CpuTensor of(Tensor tensor) {
    if (tensor instanceof CpuTensor cpu) {
      return cpu;
    }
    throw new IllegalArgumentException(
        "The CPU backend cannot use a " + tensor.getClass().getSimpleName());
  }

  /**
   * A tensor that must be {@code rows x cols}.
   *
   * @param what its name in the operator, for the error
   */
  static CpuTensor of(Tensor tensor, long rows, long cols, String what) {
    CpuTensor cpu = of(tensor);
    Shapes.check(cpu, rows, cols, what);
    return cpu;
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
    checkRows(from, count);
    return new CpuTensor(owner, pointer(from), count, cols);
  }

  private void checkRows(long from, long count) {
    if (from < 0 || count < 0 || from > rows || count > rows - from) {
      throw new IndexOutOfBoundsException(
          "%d rows from row %d on of a tensor of %d rows".formatted(count, from, rows));
    }
  }

  /** The address of a row, for native calls; valid while the owning tensor is open. */
  FloatPointer pointer(long row) {
    checkRows(row, 0);
    if (owner.closed) {
      throw new IllegalStateException("Tensor of %d x %d is closed".formatted(rows, cols));
    }
    return data.getPointer(row * cols);
  }

  /** The memory of rows [from, from + count) as a buffer whose index 0 is the first of them. */
  FloatBuffer buffer(long from, int count) {
    checkRows(from, count);
    long floats = count * cols;
    if (floats > Integer.MAX_VALUE / Float.BYTES) {
      throw new IllegalArgumentException(
          "%d rows of %d columns do not fit into one buffer".formatted(count, cols));
    }
    // The pointer begins at the row: JavaCPP's positions inside a buffer end at 2 GiB.
    return pointer(from).capacity(floats).asBuffer();
  }

  @Override
  public void close() {
    if (memory != null && !closed) {
      closed = true;
      Pointer.free(memory);
    }
  }
}
