package io.sparsefill.kernels.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import jcuda.Pointer;

/**
 * Writes a C struct field by field, each at its natural alignment. It remembers the offsets, which
 * a test compares with those that the compiler wrote into the PTX.
 */
final class StructWriter {
  /** Kernels take at most 4096 bytes of parameters. */
  private static final int LARGEST = 4096;

  /** A launch copies its parameters before it returns, so that a thread needs one of them. */
  private static final ThreadLocal<StructWriter> OF_THREAD =
      ThreadLocal.withInitial(StructWriter::new);

  private final ByteBuffer bytes =
      ByteBuffer.allocateDirect(LARGEST).order(ByteOrder.LITTLE_ENDIAN);
  private final Pointer address = Pointer.to(bytes);
  private final List<Integer> offsets = new ArrayList<>();
  private int alignment = 1;

  /** The calling thread's writer, empty: what it held is overwritten. */
  static StructWriter ofThread() {
    StructWriter writer = OF_THREAD.get();
    writer.bytes.clear();
    writer.offsets.clear();
    writer.alignment = 1;
    return writer;
  }

  private void align(int size) {
    bytes.position((bytes.position() + size - 1) / size * size);
    offsets.add(bytes.position());
    alignment = Math.max(alignment, size);
  }

  /** A pointer or a 64-bit integer. */
  StructWriter int64(long value) {
    align(Long.BYTES);
    bytes.putLong(value);
    return this;
  }

  /** A 32-bit integer. */
  StructWriter int32(int value) {
    align(Integer.BYTES);
    bytes.putInt(value);
    return this;
  }

  /** A flag, which the kernels hold as an int. */
  StructWriter flag(boolean value) {
    return int32(value ? 1 : 0);
  }

  /** A float. */
  StructWriter float32(float value) {
    align(Float.BYTES);
    bytes.putFloat(value);
    return this;
  }

  /** A double. */
  StructWriter float64(double value) {
    align(Double.BYTES);
    bytes.putDouble(value);
    return this;
  }

  /** Size of the struct, then the offset of each field: what NAME_layout holds in the PTX. */
  int[] layout() {
    int[] layout = new int[offsets.size() + 1];
    layout[0] = (bytes.position() + alignment - 1) / alignment * alignment;
    for (int i = 0; i < offsets.size(); i++) {
      layout[i + 1] = offsets.get(i);
    }
    return layout;
  }

  /** The struct in memory that native calls may read. */
  Pointer address() {
    return address;
  }
}
