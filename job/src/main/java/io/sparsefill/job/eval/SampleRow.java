package io.sparsefill.job.eval;

import java.io.Serializable;

/**
 * One sample under one mode; a row of the table {@code samples}.
 *
 * @param unit which sample
 * @param wording how it was worded
 * @param mode attention mode
 * @param digest of the mode's patterns
 * @param score what came out, or null
 * @param error why nothing did, or null
 */
record SampleRow(
    EvalUnit unit, String wording, String mode, String digest, Score score, String error)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  /**
   * What a mode did with a sample; of ppl all counts of questions and answers are 0.
   *
   * @param prefilled what the mode pre-filled: {@code prompt}, context and question; {@code
   *     context}, after which each question was a dense chunk; {@code text}, of ppl
   * @param prefillTokens how many tokens that are
   * @param questions about the sample
   * @param hits questions whose answers' tokens were all the likeliest at their places
   * @param answers asked for, over all questions
   * @param answersRight those whose tokens were all the likeliest at their places
   * @param answerTokens tokens of the answers
   * @param tokensRight those that were the likeliest at their places
   * @param density score tiles computed / causal tiles
   * @param seconds of the mode's pre-fill
   * @param device what computed it
   */
  record Score(
      String prefilled,
      int prefillTokens,
      int questions,
      int hits,
      int answers,
      int answersRight,
      int answerTokens,
      int tokensRight,
      double density,
      double seconds,
      String device)
      implements Serializable {
    private static final long serialVersionUID = 1L;
  }

  /** Tells rows of a folder apart. */
  String key() {
    return unit.id() + " " + mode;
  }

  boolean failed() {
    return error != null;
  }
}
