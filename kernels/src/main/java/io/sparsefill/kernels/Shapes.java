package io.sparsefill.kernels;

/** Checks of operand shapes that every backend makes before it computes. */
public final class Shapes {
  private Shapes() {}

  /**
   * Checks that a tensor is {@code rows x cols}.
   *
   * @param what its name in the operator, for the error
   * @throws IllegalArgumentException naming both shapes
   */
  public static void check(Tensor tensor, long rows, long cols, String what) {
    if (tensor.rows() != rows || tensor.cols() != cols) {
      throw new IllegalArgumentException(
          "Cannot compute: %s is [%d, %d], not [%d, %d]"
              .formatted(what, tensor.rows(), tensor.cols(), rows, cols));
    }
  }

  /**
   * Checks that out = a · w^T fits.
   *
   * @throws IllegalArgumentException naming the three shapes
   */
  public static void checkProduct(Tensor a, Tensor w, Tensor out) {
    if (a.cols() != w.cols() || out.cols() != w.rows() || out.rows() != a.rows()) {
      throw new IllegalArgumentException(
          "Product of [%d, %d] and [%d, %d]^T does not fit [%d, %d]"
              .formatted(a.rows(), a.cols(), w.rows(), w.cols(), out.rows(), out.cols()));
    }
  }

  /**
   * How many heads the columns of packed rows have.
   *
   * @throws IllegalArgumentException naming the columns, if they are not whole heads
   */
  public static int heads(Tensor rows, int headDim) {
    if (headDim < 1 || rows.cols() % headDim != 0) {
      throw new IllegalArgumentException(
          "Cannot pack rows of %d columns: they are no whole heads of %d"
              .formatted(rows.cols(), headDim));
    }
    return Math.toIntExact(rows.cols() / headDim);
  }
}
