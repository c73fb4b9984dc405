package io.sparsefill.udf;

import java.util.Arrays;
import java.util.Set;

/**
 * What a model says after a kept cache, always taking the likeliest token; of equally likely ones
 * the smallest id.
 *
 * @param tokens token ids, without the one that ended it
 * @param logProbabilities their natural-log probabilities
 * @param ended whether the model ended it; otherwise it is as long as was allowed
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier of results, never compared
public record GreedyAnswer(int[] tokens, double[] logProbabilities, boolean ended) {
  /**
   * Lets the model answer. The answer stays in the cache, but for the last token of one that was
   * not ended.
   *
   * @param next logits of the token after the cache [V]: what its pre-fill or its last chunk gave
   *     for their last token
   * @param most how many tokens the answer may have, at least 1; the cache has room for all but the
   *     last
   * @param ends token ids that end it
   * @throws Exception as {@link KeptCache#extend}
   */
  public static GreedyAnswer of(KeptCache cache, float[] next, int most, Set<Integer> ends)
      throws Exception {
    if (most < 1 || most - 1 > cache.room()) {
      throw new IllegalArgumentException(
          "Cannot answer with up to %,d tokens: it must be at least 1, and the cache has room for %,d"
              .formatted(most, cache.room()));
    }
    int[] tokens = new int[most];
    double[] logProbabilities = new double[most];
    float[] logits = next;
    for (int i = 0; i < most; i++) {
      TopTokens best = TopTokens.of(logits, 1, cache.length() - 1);
      tokens[i] = best.ids()[0];
      logProbabilities[i] = best.logProbabilities()[0];
      if (ends.contains(tokens[i])) {
        return new GreedyAnswer(Arrays.copyOf(tokens, i), Arrays.copyOf(logProbabilities, i), true);
      }
      if (i + 1 < most) {
        logits = cache.extend(new int[] {tokens[i]}, 1)[0];
      }
    }
    return new GreedyAnswer(tokens, logProbabilities, false);
  }
}
