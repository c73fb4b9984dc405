package io.sparsefill.udf.search;

import java.io.Serializable;

/**
 * What one trial is worth on one head of one layer, on one sample.
 *
 * @param layer from 0
 * @param head query head, from 0
 * @param trial its number in the list of trials
 * @param size that it had, see {@link Candidate}
 * @param tiles score tiles that it computed
 * @param causalTiles score tiles of dense attention
 * @param error see {@link io.sparsefill.udf.HeadFidelity#error}
 * @param lastError see {@link io.sparsefill.udf.HeadFidelity#lastError}
 * @param recall see {@link io.sparsefill.udf.HeadFidelity#recall}
 * @param share see {@link io.sparsefill.udf.HeadFidelity#share}
 * @param lastShare see {@link io.sparsefill.udf.HeadFidelity#lastShare}
 */
public record HeadScore(
    int layer,
    int head,
    int trial,
    int size,
    long tiles,
    long causalTiles,
    double error,
    double lastError,
    double recall,
    double share,
    double lastShare)
    implements Serializable {
  /**
   * The head's part of the squared error of its layer's output, relative to that output, all heads
   * side by side: over all queries, and over the last 64, added up.
   */
  double layerError() {
    return share * error * error + lastShare * lastError * lastError;
  }
}
