package io.sparsefill.job.eval.task;

import java.util.function.IntUnaryOperator;

/** How many units of a sample fit into a number of tokens, found with few looks at whole texts. */
final class Fit {
  /**
   * The first step, which tells what a unit takes; what shorter steps tell is not taken, because
   * single units differ.
   */
  private static final int FIRST_STEP = 16;

  /** After so many looks the secant has misled: steps double, and brackets are halved. */
  private static final int SECANT_LOOKS = 10;

  private Fit() {}

  /**
   * The number of units whose text fits, while that of one more does not, in [least, most]; {@code
   * least - 1} if not even the fewest fit. The counts must grow with the units, but for a few
   * tokens.
   *
   * @param limit tokens
   * @param tokens tokens of a text of so many units; costly
   */
  static int largest(int limit, int least, int most, IntUnaryOperator tokens) {
    int units = least;
    int count = tokens.applyAsInt(least);
    if (count > limit) {
      return least - 1;
    }
    int low = least; // fits
    long high = most + 1L; // does not fit, or does not exist
    boolean bracketed = false;
    double perUnit = 0;
    for (int look = 0; high - low > 1 && count != limit; look++) {
      long next = units + (look == 0 ? FIRST_STEP : Math.round((limit - count) / perUnit));
      if (look > SECANT_LOOKS) {
        next = bracketed ? (low + high) / 2 : low + (1L << (look - SECANT_LOOKS));
      }
      int before = units;
      int countBefore = count;
      units = (int) Math.max(low + 1, Math.min(next, high - 1));
      count = tokens.applyAsInt(units);
      if (perUnit == 0 || Math.abs(units - before) >= FIRST_STEP) {
        perUnit = Math.max(0.1, (count - countBefore) / (double) (units - before));
      }
      if (count <= limit) {
        low = units;
      } else {
        high = units;
        bracketed = true;
      }
    }
    return low;
  }
}
