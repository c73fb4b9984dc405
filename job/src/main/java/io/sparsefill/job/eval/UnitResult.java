package io.sparsefill.job.eval;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * The rows of a task.
 *
 * @param samples one for each mode
 * @param buckets of ppl
 * @param fidelity one for each document and mode
 * @param layers of those
 */
record UnitResult(
    ArrayList<SampleRow> samples,
    ArrayList<BucketRow> buckets,
    ArrayList<FidelityRow> fidelity,
    ArrayList<LayerRow> layers)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  static UnitResult of(List<SampleRow> samples, List<BucketRow> buckets) {
    return new UnitResult(
        new ArrayList<>(samples), new ArrayList<>(buckets), new ArrayList<>(), new ArrayList<>());
  }

  /** Without a row. */
  static UnitResult none() {
    return of(List.of(), List.of());
  }
}
