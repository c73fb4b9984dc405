package io.sparsefill.kernels.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.HeadPattern;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The selection of lines against MInference's rule, written as a walk over sorted scores. */
class LineSelectionTest {
  private static float[] scores(int tokens, long seed) {
    Random random = new Random(seed);
    float[] scores = new float[tokens];
    for (int i = 0; i < tokens; i++) {
      scores[i] = random.nextFloat();
    }
    return scores;
  }

  /** Forced indices first, then by score; all scores differ. */
  private static int[] largest(float[] scores, int count, int forcedFrom, int forcedTo) {
    return IntStream.range(0, scores.length)
        .boxed()
        .sorted(
            (a, b) -> {
              boolean fa = a >= forcedFrom && a < forcedTo;
              boolean fb = b >= forcedFrom && b < forcedTo;
              // Among forced lines the higher index: of diagonals the nearer one.
              return fa && fb
                  ? b - a
                  : fa != fb ? (fa ? -1 : 1) : Float.compare(scores[b], scores[a]);
            })
        .limit(count)
        .mapToInt(Integer::intValue)
        .sorted()
        .toArray();
  }

  @Test
  void everyLengthTakesTheForcedLinesAndThenTheLargestScores() {
    int[][] sizes = {{1, 1}, {30, 50}, {31, 99}, {40, 100}, {100, 800}, {5000, 5000}};
    for (int tokens : new int[] {1, 29, 30, 31, 50, 99, 100, 101, 1000}) {
      float[] vertical = scores(tokens, 1);
      float[] slash = scores(tokens, 2);
      for (int[] size : sizes) {
        var pattern = new HeadPattern.VerticalSlash(size[0], size[1]);
        LineSelection lines = LineSelection.of(pattern, vertical, slash);
        int v = Math.min(tokens, Math.max(30, size[0]));
        int s = Math.min(tokens, Math.max(50, size[1]));
        assertThat(LineSelection.verticalCount(pattern, tokens)).isEqualTo(v);
        assertThat(LineSelection.slashCount(pattern, tokens)).isEqualTo(s);
        assertThat(lines.verticals()).isEqualTo(largest(vertical, v, 0, 30));
        int[] diagonals = largest(slash, s, tokens - 100, tokens);
        assertThat(lines.distances())
            .as("T=%d, %s", tokens, pattern)
            .isEqualTo(Arrays.stream(diagonals).map(t -> tokens - 1 - t).toArray());
        assertThat(lines.distances()[s - 1]).isZero();
      }
    }
  }

  @Test
  void fewerSlashesThanForcedOnesTakesTheNearest() {
    LineSelection lines =
        LineSelection.of(new HeadPattern.VerticalSlash(1, 1), scores(500, 1), scores(500, 2));
    assertThat(lines.verticals()).isEqualTo(IntStream.range(0, 30).toArray());
    assertThat(lines.distances()).isEqualTo(IntStream.range(0, 50).map(i -> 49 - i).toArray());
  }

  @Test
  void oneKindOfLinesKeepsOneForcedLineOfTheOther() {
    for (int tokens : new int[] {1, 29, 100, 500}) {
      float[] vertical = scores(tokens, 1);
      float[] slash = scores(tokens, 2);
      var both = LineSelection.of(new HeadPattern.VerticalSlash(40, 120), vertical, slash);
      var columns = LineSelection.of(new HeadPattern.VerticalOnly(40), vertical, slash);
      assertThat(columns.verticals()).isEqualTo(both.verticals());
      assertThat(columns.distances()).containsExactly(0);
      var diagonals = LineSelection.of(new HeadPattern.SlashOnly(120), vertical, slash);
      assertThat(diagonals.distances()).isEqualTo(both.distances());
      assertThat(diagonals.verticals()).containsExactly(0);
    }
  }

  @Test
  void scoresStayAsTheyAre() {
    float[] vertical = scores(200, 1);
    float[] slash = scores(200, 2);
    LineSelection.of(new HeadPattern.VerticalSlash(40, 120), vertical, slash);
    assertThat(vertical).isEqualTo(scores(200, 1));
    assertThat(slash).isEqualTo(scores(200, 2));
  }

  @Test
  void nanIsAnError() {
    float[] vertical = scores(200, 1);
    vertical[150] = Float.NaN;
    var pattern = new HeadPattern.VerticalSlash(40, 120);
    assertThatThrownBy(() -> LineSelection.of(pattern, vertical, scores(200, 2)))
        .isInstanceOf(ArithmeticException.class)
        .hasMessage("Score 150 of 200 is NaN");
  }
}
