package io.sparsefill.kernels;

/**
 * A row-major matrix in the memory of one {@link Backend}: {@code rows x cols} numbers in the
 * element type that the backend computes with (fp32 on the CPU). The backend that made it owns the
 * memory; {@link #close()} gives it back. A view made by {@link #rows(long, long)} shares the
 * memory and needs no closing.
 */
public interface Tensor extends AutoCloseable {
  /** Number of rows. */
  long rows();

  /** Number of columns. */
  long cols();

  /**
   * The rows {@code [from, from + count)} as a view on the same memory.
   *
   * @throws IndexOutOfBoundsException if the range is not inside this tensor
   */
  Tensor rows(long from, long count);

  /** Returns the memory to the backend; further use is an error. Closing twice is harmless. */
  @Override
  void close();
}
