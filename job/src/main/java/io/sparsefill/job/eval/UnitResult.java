package io.sparsefill.job.eval;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * The rows of one unit.
 *
 * @param samples one for each mode
 * @param buckets of ppl
 */
record UnitResult(ArrayList<SampleRow> samples, ArrayList<BucketRow> buckets)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  static UnitResult of(List<SampleRow> samples, List<BucketRow> buckets) {
    return new UnitResult(new ArrayList<>(samples), new ArrayList<>(buckets));
  }
}
