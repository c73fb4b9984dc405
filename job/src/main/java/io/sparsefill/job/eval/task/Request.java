package io.sparsefill.job.eval.task;

/**
 * A sample that is asked for.
 *
 * @param task the task
 * @param wording how the prompt is worded
 * @param length tokens
 * @param depth where the thing asked for shall lie, 0 to 1, or NaN for a drawn depth
 * @param seed decides all that is drawn
 * @param questions how many questions a context of many keys gets
 */
record Request(Task task, Wording wording, int length, double depth, long seed, int questions) {
  /** RULER's depths are so many, evenly from the beginning to the end. */
  static final int DEPTHS = 40;

  /** Draws for a part of the sample. */
  Draws draws(String part) {
    return Draws.of(seed, task.label(), length, depth, part);
  }

  /** The depth asked for, or one of RULER's. */
  double depthOr(Draws draws) {
    return Double.isNaN(depth) ? drawnDepth(draws) : depth;
  }

  /** One of RULER's depths. */
  static double drawnDepth(Draws draws) {
    return draws.below(DEPTHS) / (DEPTHS - 1.0);
  }

  boolean plain() {
    return wording == Wording.PLAIN;
  }
}
