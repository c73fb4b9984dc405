package io.sparsefill.kernels;

/**
 * A read-only matrix on the host, most often a memory-mapped weight of a checkpoint, which a {@link
 * Backend} reads while it uploads. Rows are read as fp32 whatever the stored type is. Safe for use
 * by several threads.
 */
public interface HostMatrix {
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
}
