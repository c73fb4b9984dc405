package io.sparsefill.job.notebook;

import io.sparsefill.udf.HeadFidelity;
import java.io.Serializable;

/**
 * What one head computes of a document.
 *
 * @param layer its layer
 * @param head the head
 * @param pattern as {@code --attention} spells it
 * @param tiles score tiles that it computes
 * @param causalTiles score tiles of dense causal attention
 * @param error of its output against dense attention, see {@link HeadFidelity}
 * @param lastError the same over the last 64 queries
 * @param recall share of the dense attention weights on the keys that it computes
 */
record HeadSparsity(
    int layer,
    int head,
    String pattern,
    long tiles,
    long causalTiles,
    double error,
    double lastError,
    double recall)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  static HeadSparsity of(
      int layer, int head, String pattern, long causalTiles, HeadFidelity found) {
    return new HeadSparsity(
        layer,
        head,
        pattern,
        found.tiles(),
        causalTiles,
        found.error(),
        found.lastError(),
        found.recall());
  }
}
