package io.sparsefill.udf;

import java.util.Arrays;

/**
 * How a model takes a given answer that follows a kept cache (teacher forcing): the answer's tokens
 * go through as one chunk, and each is compared with what the model would have said at its place.
 * Greedy decoding would give this very answer if and only if all are hits.
 *
 * @param likeliest the likeliest token at each place; of equally likely ones the smallest id
 * @param hits which places the answer's own token is the likeliest at
 * @param logProbabilities natural-log probability of the answer's own tokens
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier of results, never compared
public record ForcedAnswer(int[] likeliest, boolean[] hits, double[] logProbabilities) {
  /**
   * Takes an answer; the cache is afterwards as long as before.
   *
   * @param next logits of the token after the cache [V]: what its pre-fill or its last chunk gave
   *     for their last token
   * @param answer token ids, at least one; the cache has room for all but the last
   * @throws Exception as {@link KeptCache#extend}
   */
  public static ForcedAnswer of(KeptCache cache, float[] next, int[] answer) throws Exception {
    if (answer.length == 0) {
      throw new IllegalArgumentException("Cannot compare with an answer that has no tokens");
    }
    Prefill.checkIds("compare with an answer", answer, next.length);
    int length = cache.length();
    float[][] logits = new float[answer.length][];
    logits[0] = next;
    if (answer.length > 1) {
      float[][] rest = cache.extend(Arrays.copyOf(answer, answer.length - 1), answer.length - 1);
      System.arraycopy(rest, 0, logits, 1, rest.length);
      cache.rewind(length);
    }
    int[] likeliest = new int[answer.length];
    boolean[] hits = new boolean[answer.length];
    double[] logProbabilities = new double[answer.length];
    for (int i = 0; i < answer.length; i++) {
      TopTokens best = TopTokens.of(logits[i], 1, length + i - 1);
      likeliest[i] = best.ids()[0];
      hits[i] = likeliest[i] == answer[i];
      double logSum = logits[i][likeliest[i]] - best.logProbabilities()[0];
      logProbabilities[i] = logits[i][answer[i]] - logSum;
    }
    return new ForcedAnswer(likeliest, hits, logProbabilities);
  }

  /** Whether greedy decoding would give this very answer. */
  public boolean isHit() {
    for (boolean hit : hits) {
      if (!hit) {
        return false;
      }
    }
    return true;
  }
}
