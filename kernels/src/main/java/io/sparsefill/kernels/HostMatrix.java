package io.sparsefill.kernels;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A read-only matrix on the host, most often a memory-mapped weight of a checkpoint, which a {@link
 * Backend} reads while it uploads. Rows are read as fp32 whatever the stored type is. Safe for use
 * by several threads.
 */
public interface HostMatrix {
  /** Numbers that the conversion to bf16 reads at once: 256 KiB of fp32 stay in a core's cache. */
  int READ_AT_ONCE = 1 << 16;

  /** Number of rows. */
  long rows();

  /** Number of columns. */
  int cols();

  /**
   * Reads rows {@code [from, from + count)} as fp32 into {@code target}, row-major, starting at
   * {@code offset}.
   *
   * @throws IndexOutOfBoundsException if the rows or the target range are outside
   */
  void read(long from, int count, float[] target, int offset);

  /**
   * Reads rows {@code [from, from + count)} as bf16, rounded to nearest even, into {@code target},
   * little-endian and row-major, from byte {@code offset} on. Its position does not matter.
   *
   * @throws IndexOutOfBoundsException if the rows or the target range are outside
   */
  default void readBf16(long from, int count, ByteBuffer target, int offset) {
    ByteBuffer bytes = target.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    int step = Math.max(1, READ_AT_ONCE / cols());
    float[] values = new float[Math.min(step, count) * cols()];
    int at = offset;
    for (int row = 0; row < count; row += step) {
      int rows = Math.min(step, count - row);
      read(from + row, rows, values, 0);
      for (int i = 0; i < rows * cols(); i++, at += Short.BYTES) {
        bytes.putShort(at, HalfFloats.toBf16(values[i]));
      }
    }
  }
}
