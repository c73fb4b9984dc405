package io.sparsefill.udf;

import java.util.PriorityQueue;

/**
 * The most likely next tokens at one position, best first; of equally likely ones the smaller id
 * first.
 *
 * @param ids token ids
 * @param logProbabilities their natural-log probabilities
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier of results, never compared
public record TopTokens(int[] ids, double[] logProbabilities) {
  /**
   * The {@code k} most likely of all tokens; all of them when the vocabulary is smaller. The
   * log-softmax is taken in double, with the maximum taken out first.
   *
   * @param logits of the whole vocabulary [V]
   * @param position whose logits these are, for the error
   * @throws IllegalStateException if a logit is not a finite number, naming the position
   */
  public static TopTokens of(float[] logits, int k, int position) {
    double logSum = logSumOfExponentials(logits, position);
    int[] ids = best(logits, k);
    double[] logProbabilities = new double[ids.length];
    for (int i = 0; i < ids.length; i++) {
      logProbabilities[i] = logits[ids[i]] - logSum;
    }
    return new TopTokens(ids, logProbabilities);
  }

  private static int[] best(float[] logits, int k) {
    PriorityQueue<Integer> kept =
        new PriorityQueue<>(
            (a, b) ->
                logits[a] != logits[b]
                    ? Float.compare(logits[a], logits[b])
                    : Integer.compare(b, a));
    for (int id = 0; id < logits.length; id++) {
      if (kept.size() < k) {
        kept.add(id);
      } else if (logits[id] > logits[kept.peek()]) {
        kept.poll();
        kept.add(id);
      }
    }
    int[] ids = new int[kept.size()];
    for (int i = ids.length - 1; i >= 0; i--) {
      ids[i] = kept.poll();
    }
    return ids;
  }

  private static double logSumOfExponentials(float[] logits, int position) {
    double max = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      if (!Float.isFinite(logit)) {
        throw new IllegalStateException(
            "Cannot take log-probabilities at position "
                + position
                + ": a logit is "
                + logit
                + "; the model's weights or activations overflow");
      }
      max = Math.max(max, logit);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - max);
    }
    return max + Math.log(sum);
  }
}
