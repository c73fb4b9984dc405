package io.sparsefill.kernels;

/**
 * What the attention over one index costs and saves. It stays readable after the index is closed.
 * Where operators run behind the host, each of these waits for them.
 */
public interface AttentionCost {
  /**
   * Score tiles (64 x 64) that the attention computes, over all heads; columns count 64 to a tile.
   */
  long computedTiles();

  /** Score tiles that dense causal attention computes for the same queries and heads. */
  long causalTiles();

  /** Heads whose index is not the dense one. */
  int sparseHeads();

  /** Time that the device spent on the index and on the attention over it so far, in seconds. */
  double seconds();
}
