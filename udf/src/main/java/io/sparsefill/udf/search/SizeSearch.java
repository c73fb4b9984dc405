package io.sparsefill.udf.search;

/**
 * Finds the largest size whose cost is within a limit, by asking for the cost of a few sizes: the
 * next one is guessed from the two around the target, as if cost grew by a power of size between
 * them. Costs may fall a little where sizes grow (a tile that is added covers single columns); then
 * the best of the sizes that were asked for is taken.
 */
final class SizeSearch {
  /** More than any search has taken; a bisection of all sizes would take as many. */
  private static final int MOST_STEPS = 24;

  private final int least;
  private final int most;
  private final double target;
  private final double tolerance;
  private int below; // a size within the limit, or least - 1
  private long belowCost;
  private int above; // a size beyond the limit, or most + 1
  private long aboveCost;
  private int next;
  private int steps;
  private boolean done;

  /**
   * A search.
   *
   * @param guess the first size to ask for
   * @param tolerance a size is good whose cost differs from the target by that share at most; the
   *     limit is that much above the target
   */
  SizeSearch(int least, int most, int guess, double target, double tolerance) {
    this.least = least;
    this.most = most;
    this.target = target;
    this.tolerance = tolerance;
    this.below = least - 1;
    this.above = most + 1;
    this.next = Math.max(least, Math.min(most, guess));
  }

  boolean done() {
    return done;
  }

  /** The size to ask for. */
  int next() {
    return next;
  }

  /** Says what {@link #next} costs. */
  void measured(long cost) {
    steps++;
    if (cost > target * (1 + tolerance)) {
      above = next;
      aboveCost = cost;
    } else {
      below = next;
      belowCost = cost;
      if (cost >= target * (1 - tolerance)) {
        done = true;
        return;
      }
    }
    if (above - below <= 1 || steps == MOST_STEPS) {
      done = true;
      return;
    }
    next = Math.max(below + 1, Math.min(above - 1, guess()));
  }

  private int guess() {
    boolean hasBelow = below >= least;
    boolean hasAbove = above <= most;
    if (hasBelow && hasAbove) {
      if (steps % 3 == 0) { // a bisection now and then, where the guesses creep from one side
        return (int) Math.round(Math.sqrt((double) below * above));
      }
      double grown = Math.log((double) aboveCost / belowCost);
      double share = grown > 0 ? Math.log(target / belowCost) / grown : 0.5;
      return (int) Math.round(below * Math.pow((double) above / below, share));
    }
    double factor = target / (hasBelow ? belowCost : aboveCost);
    // A little further, so that the target lies between two sizes then.
    return (int) Math.min(most, next * factor * (hasBelow ? 1.1 : 1 / 1.1));
  }

  /** The size that was found: within the limit, or the smallest if none is. */
  int size() {
    return Math.max(least, below);
  }
}
