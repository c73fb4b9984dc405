package io.sparsefill.job.eval;

import java.io.Serializable;

/**
 * Perplexity of a text's positions [from, to) under one mode; a row of the table {@code
 * perplexity}.
 *
 * @param unit which text and length
 * @param text its name
 * @param mode attention mode
 * @param from first position
 * @param to position after the last; the text may end before
 * @param nllSum negative log-likelihood of the tokens there, nats
 * @param tokens how many there are
 */
record BucketRow(
    EvalUnit unit, String text, String mode, int from, int to, double nllSum, long tokens)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  double perplexity() {
    return Math.exp(nllSum / tokens);
  }

  /** The {@link SampleRow#key} that this belongs to. */
  String key() {
    return unit.id() + " " + mode;
  }
}
