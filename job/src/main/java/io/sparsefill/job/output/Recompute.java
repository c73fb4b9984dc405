package io.sparsefill.job.output;

import io.sparsefill.udf.KvSink;
import io.sparsefill.udf.PrefillResult;

/**
 * Pre-fills tokens again as the stored run did; {@code engine::prefill} of an engine with the same
 * options.
 */
@FunctionalInterface
public interface Recompute {
  /**
   * Runs one pre-fill.
   *
   * @param tokens what was pre-filled
   * @param sink takes the KV blocks in stored order, or null when the run stored none
   */
  PrefillResult prefill(int[] tokens, KvSink sink) throws Exception;
}
