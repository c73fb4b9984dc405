package io.sparsefill.job.eval.task;

import java.util.List;
import java.util.function.IntFunction;

/**
 * A sample before its size is known.
 *
 * @param body the sample of so many units (words, lines, pairs); always the same for a number
 * @param stretch the text that units [from, to) add, about; null where units do not stand one after
 *     the other
 * @param least the fewest units that make sense
 * @param most the most that there are
 * @param unit what a unit is, for messages
 * @param depth depth of the thing asked for, or NaN
 */
record Draft(
    IntFunction<Body> body, Stretch stretch, int least, int most, String unit, double depth) {
  /** Without an end to its units. */
  Draft(IntFunction<Body> body, Stretch stretch, int least, String unit, double depth) {
    this(body, stretch, least, Integer.MAX_VALUE, unit, depth);
  }

  /** Units of a text by themselves. */
  @FunctionalInterface
  interface Stretch {
    /** Units [from, to), with what joins them to those before; from is {@link #least} or more. */
    String text(int from, int to);
  }

  /**
   * Context and questions of a sample.
   *
   * @param context what is read first
   * @param questions what is asked then
   */
  record Body(String context, List<Question> questions) {
    /** With one question. */
    Body(String context, Question question) {
      this(context, List.of(question));
    }
  }
}
