package io.sparsefill.kernels;

/**
 * Tensors whose content is replaced again and again while operators compute from others: one thread
 * fills, the pre-fill's thread uses, in turns: fill, use, done, fill, and so on. The callers keep
 * the turns on the host; this keeps them on the device, without waiting there.
 */
public interface Refill extends AutoCloseable {
  /**
   * Overwrites a tensor with a matrix of the same shape; the matrix has been read when this
   * returns. Operators that were called before {@link #done} still see the old content.
   */
  void fill(HostMatrix matrix, Tensor target);

  /** Lets the operators that are called from here on see what was filled. */
  void use();

  /** Says that the operators called so far were the last to read it. */
  void done();

  /** Waits for what is still under way. */
  @Override
  void close();
}
