package io.sparsefill.udf.search;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.function.IntToLongFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The oracle is a walk through all sizes: what it finds is the largest whose cost is in the limit.
 */
class SizeSearchTest {
  private static final double TOLERANCE = 0.03;
  private static final int LEAST = 80;
  private static final int MOST = 20_000;

  private int asked;

  private int search(IntToLongFunction cost, double target, int guess) {
    SizeSearch search = new SizeSearch(LEAST, MOST, guess, target, TOLERANCE);
    asked = 0;
    while (!search.done()) {
      assertThat(search.next()).isBetween(LEAST, MOST);
      search.measured(cost.applyAsLong(search.next()));
      asked++;
    }
    return search.size();
  }

  private static int largestWithin(IntToLongFunction cost, double limit) {
    int found = LEAST;
    for (int size = LEAST; size <= MOST; size++) {
      if (cost.applyAsLong(size) <= limit) {
        found = size;
      }
    }
    return found;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 80, 700, 19_000, 1_000_000})
  void smoothCostsAreMetWithinTheToleranceInAFewSteps(int guess) {
    for (double power : new double[] {0.3, 0.7, 1, 1.6}) {
      IntToLongFunction cost = size -> 50 + (long) (10 * Math.pow(size, power));
      for (double share : new double[] {0.01, 0.1, 0.5, 0.9}) {
        double target = share * cost.applyAsLong(MOST);
        if (cost.applyAsLong(LEAST) > target) {
          continue;
        }
        int size = search(cost, target, guess);
        assertThat((double) cost.applyAsLong(size))
            .as("power %s, target %s", power, target)
            .isBetween(target * (1 - TOLERANCE), target * (1 + TOLERANCE));
        assertThat(asked).isLessThanOrEqualTo(12);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {80, 5_000, 20_000})
  void ofCostsThatGrowInStepsTheLargestBelowTheLimitIsTaken(int guess) {
    IntToLongFunction steps = size -> 1000L * (size / 640 + 1);
    double target = 5_500; // costs are 5000 or 6000, neither within the tolerance
    int size = search(steps, target, guess);
    assertThat(size).isEqualTo(largestWithin(steps, target * (1 + TOLERANCE)));
    assertThat(steps.applyAsLong(size)).isEqualTo(5_000);
  }

  @Test
  void whatNeverCostsTheTargetEndsAtTheLargestSize() {
    assertThat(search(size -> Math.min(size, 900), 5_000, 300)).isEqualTo(MOST);
  }

  @Test
  void whatAlwaysCostsMoreEndsAtTheSmallestSize() {
    assertThat(search(size -> 10_000 + size, 5_000, 300)).isEqualTo(LEAST);
  }

  @Test
  void aCostThatFallsHereAndThereEndsWithinTheLimit() {
    IntToLongFunction ragged = size -> size + (size * 7919L % 400);
    int size = search(ragged, 6_000, 500);
    assertThat(ragged.applyAsLong(size)).isLessThanOrEqualTo((long) (6_000 * (1 + TOLERANCE)));
    assertThat(ragged.applyAsLong(size)).isGreaterThan(5_000);
  }
}
