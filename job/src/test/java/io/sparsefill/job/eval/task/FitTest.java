package io.sparsefill.job.eval.task;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.Test;

/** The oracle counts up one by one. */
class FitTest {
  private int looks;

  @Test
  void findsWhatCountingUpFinds() {
    int[] ups = {1, 3, 76};
    for (int up : ups) {
      for (int limit : new int[] {100, 101, 163, 1_000, 4_097}) {
        for (int least : new int[] {1, 5, 73}) {
          // Units of uneven size, as sentences are.
          IntUnaryOperator tokens = n -> 90 + n * up + n + (int) (20 * Math.sin(n / 50.0));
          assertThat(new Fit(limit, tokens, null).largest(least, Integer.MAX_VALUE))
              .as("limit %d, least %d, %d and more a unit", limit, least, up)
              .isEqualTo(countUp(limit, least, Integer.MAX_VALUE, tokens));
        }
      }
    }
  }

  @Test
  void endsAtTheMostUnits() {
    IntUnaryOperator tokens = n -> 10 * n;
    assertThat(new Fit(1_000, tokens, null).largest(1, 50)).isEqualTo(50);
    assertThat(new Fit(500, tokens, null).largest(1, 50)).isEqualTo(50);
    assertThat(new Fit(499, tokens, null).largest(1, 50)).isEqualTo(49);
    assertThat(new Fit(9, tokens, null).largest(1, 50)).isEqualTo(0);
    assertThat(new Fit(10, tokens, null).largest(1, 1)).isEqualTo(1);
  }

  @Test
  void looksAtFewTexts() {
    IntUnaryOperator tokens =
        n -> {
          looks++;
          return 60 + (int) (1.3 * n + 300 * Math.sin(n / 700.0));
        };
    for (int limit = 100_000; limit < 1_000_000; limit += 37_123) {
      looks = 0;
      int found = new Fit(limit, tokens, null).largest(1, Integer.MAX_VALUE);
      assertThat(looks).as("looks for %,d tokens", limit).isLessThanOrEqualTo(12);
      assertThat(tokens.applyAsInt(found)).isLessThanOrEqualTo(limit);
      assertThat(tokens.applyAsInt(found + 1)).isGreaterThanOrEqualTo(limit);
    }
  }

  /** Units can be counted by themselves, but for a token at their borders. */
  @Test
  void unitsThatAreCountedSpareWholeTexts() {
    IntUnaryOperator sum = n -> (int) (1.3 * n + 300 * Math.sin(n / 700.0));
    IntUnaryOperator whole =
        n -> {
          looks++;
          return 60 + sum.applyAsInt(n);
        };
    for (int limit = 1_000; limit < 300_000; limit += 7_123) {
      looks = 0;
      int found =
          new Fit(limit, whole, (from, to) -> 1 + sum.applyAsInt(to) - sum.applyAsInt(from))
              .largest(1, Integer.MAX_VALUE);
      assertThat(looks).as("looks for %,d tokens", limit).isLessThanOrEqualTo(5);
      assertThat(whole.applyAsInt(found)).isBetween(limit - 3, limit);
    }
  }

  /** Tokens that do not grow evenly at all must still end. */
  @Test
  void endsWhereProportionMisleads() {
    IntUnaryOperator tokens = n -> n < 100_000 ? 1 : n;
    assertThat(new Fit(150_000, tokens, null).largest(1, Integer.MAX_VALUE)).isEqualTo(150_000);
    assertThat(new Fit(150_000, tokens, null).largest(1, 120_000)).isEqualTo(120_000);
  }

  private static int countUp(int limit, int least, int most, IntUnaryOperator tokens) {
    int units = least - 1;
    while (units < most && tokens.applyAsInt(units + 1) <= limit) {
      units++;
    }
    return units;
  }
}
