package io.sparsefill.job.eval.task;

import java.util.function.IntBinaryOperator;
import java.util.function.IntUnaryOperator;

/**
 * How many units of a sample fit into a number of tokens. Whole texts are counted seldom: where
 * units stand one after the other, the count of those that are added or taken tells the way.
 */
final class Fit {
  /**
   * The first step, which tells what a unit takes; what shorter steps tell is not taken, because
   * single units differ.
   */
  private static final int FIRST_STEP = 16;

  /** After so many looks proportion has misled: steps double, and brackets are halved. */
  private static final int PROPORTIONAL_LOOKS = 10;

  private final int limit;
  private final IntUnaryOperator tokens;
  private final IntBinaryOperator between;

  /** Tokens of a unit, as seen last. */
  private double perUnit;

  /**
   * For one sample.
   *
   * @param limit tokens
   * @param tokens tokens of a text of so many units; costly; must grow with the units, but for a
   *     few tokens
   * @param between tokens of units [from, to) by themselves, a few tokens more or less than they
   *     add to a text; null where a text's units do not stand one after the other
   */
  Fit(int limit, IntUnaryOperator tokens, IntBinaryOperator between) {
    this.limit = limit;
    this.tokens = tokens;
    this.between = between;
  }

  /**
   * A number of units whose text fits, while that of one more does not, in [least, most]; {@code
   * least - 1} if not even the fewest fit. Where units can be counted by themselves, what is left
   * is less than the next unit's own tokens.
   */
  int largest(int least, int most) {
    int units = least;
    int count = tokens.applyAsInt(least);
    if (count > limit) {
      return least - 1;
    }
    int low = least; // fits
    long high = most + 1L; // does not fit, or does not exist
    boolean bracketed = false;
    for (int look = 0; high - low > 1 && !(count <= limit && full(units, count)); look++) {
      long next = look == 0 ? units + FIRST_STEP : next(units, count, low, high);
      if (look > PROPORTIONAL_LOOKS) {
        next = bracketed ? (low + high) / 2 : low + (1L << (look - PROPORTIONAL_LOOKS));
      }
      int before = units;
      int countBefore = count;
      units = (int) clamped(next, low, high);
      count = tokens.applyAsInt(units);
      learn(units - before, count - countBefore);
      if (count <= limit) {
        low = units;
      } else {
        high = units;
        bracketed = true;
      }
    }
    return low;
  }

  /** Whether one more unit cannot fit. */
  private boolean full(int units, int count) {
    return count == limit
        || (between != null && limit - count < between.applyAsInt(units, units + 1));
  }

  /** Where the limit lies by proportion, and where units can be counted, by counting on. */
  private long next(int units, int count, int low, long high) {
    long at = units;
    long estimate = count;
    for (int step = 0; step < PROPORTIONAL_LOOKS; step++) {
      long to = clamped(at + Math.round((limit - estimate) / perUnit), low, high);
      if (between == null) {
        return to;
      }
      if (to == at) {
        break;
      }
      int passed = between.applyAsInt((int) Math.min(at, to), (int) Math.max(at, to));
      estimate += to > at ? passed : -passed;
      learn(to - at, to > at ? passed : -passed);
      at = to;
    }
    return estimate > limit ? at - 1 : at; // the caller clamps
  }

  private void learn(long units, long count) {
    if (perUnit == 0 || Math.abs(units) >= FIRST_STEP) {
      perUnit = Math.max(0.1, count / (double) units);
    }
  }

  /** Strictly between what fits and what does not. */
  private static long clamped(long units, int low, long high) {
    return Math.max(low + 1, Math.min(units, high - 1));
  }
}
