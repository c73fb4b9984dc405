package io.sparsefill.kernels;

/**
 * The index of one layer's attention, as the backend that built it holds it: which score tiles each
 * (head, query tile) computes.
 */
public interface AttentionIndex extends AutoCloseable {
  /** What it costs; to be read as late as possible, because that may wait for the device. */
  AttentionCost cost();

  /** Gives the index's memory back. */
  @Override
  void close();
}
