package io.sparsefill.kernels;

/**
 * The index of one layer's attention, as the backend that built it holds it: which score tiles each
 * (head, query tile) computes.
 */
public interface AttentionIndex extends AutoCloseable {
  /**
   * Score tiles (64 x 64) that the attention computes, over all heads; columns count 64 to a tile.
   */
  long computedTiles();

  /** Score tiles that dense causal attention computes for the same queries and heads. */
  long causalTiles();

  /** Heads whose index is not the dense one. */
  int sparseHeads();

  /** Gives the index's memory back. */
  @Override
  void close();
}
