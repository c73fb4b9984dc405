package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.attention.LineSelection;
import java.util.Arrays;
import java.util.Comparator;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/**
 * Scores of one head's lines that a selection is judged by: computed in double, or stored.
 *
 * @param vertical of each key column [T]
 * @param slash of each diagonal [T]; index t is distance T - 1 - t
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record LineScores(double[] vertical, double[] slash) {
  private static final int LAST_QUERIES = 64;

  /** The attention of the last 64 queries, summed over columns and diagonals. */
  static LineScores of(AttentionInput input, int head) {
    AttentionShape shape = input.shape();
    int tokens = shape.tokens();
    double[] vertical = new double[tokens];
    double[] slash = new double[tokens];
    for (int q = Math.max(0, tokens - LAST_QUERIES); q < tokens; q++) {
      double[] weights = new double[q + 1];
      double sum = 0;
      for (int key = shape.firstKey(q); key <= q; key++) {
        weights[key] = Math.exp(input.logit(head, q, key));
        sum += weights[key];
      }
      for (int key = shape.firstKey(q); key <= q; key++) {
        vertical[key] += weights[key] / sum;
        slash[tokens - 1 - (q - key)] += weights[key] / sum;
      }
    }
    return new LineScores(vertical, slash);
  }

  /** The lines that MInference's rule takes: the forced ones, then the largest scores. */
  LineSelection best(HeadPattern.Lines pattern) {
    int tokens = vertical.length;
    int[] verticals =
        largest(
            LineSelection.verticalCount(pattern, tokens),
            i -> i < LineSelection.FORCED_VERTICALS ? Double.MAX_VALUE : vertical[i]);
    // Equal scores: the nearer distance first, as the forced ones need.
    int[] distances =
        largest(
            LineSelection.slashCount(pattern, tokens),
            s -> s < LineSelection.FORCED_DISTANCES ? Double.MAX_VALUE : slash[tokens - 1 - s]);
    return new LineSelection(
        verticals,
        IntStream.range(0, distances.length)
            .map(i -> distances[distances.length - 1 - i])
            .toArray());
  }

  private int[] largest(int count, IntToDoubleFunction score) {
    return IntStream.range(0, vertical.length)
        .boxed()
        .sorted(Comparator.comparingDouble(i -> -score.applyAsDouble(i)))
        .limit(count)
        .mapToInt(Integer::intValue)
        .sorted()
        .toArray();
  }

  double verticalMass(int[] columns) {
    return Arrays.stream(columns).mapToDouble(c -> vertical[c]).sum();
  }

  double slashMass(int[] distances) {
    return Arrays.stream(distances).mapToDouble(s -> slash[slash.length - 1 - s]).sum();
  }

  /**
   * Asserts that {@code lines} are as many as {@code other}, in order, with every forced line, and
   * hold at least {@code share} of the scores that {@code other} holds.
   */
  void assertHolds(LineSelection lines, LineSelection other, double share, String what) {
    int tokens = vertical.length;
    int[] v = lines.verticals();
    int[] s = lines.distances();
    assertThat(v).as("%s: columns", what).hasSameSizeAs(other.verticals()).isSorted();
    assertThat(s).as("%s: distances", what).hasSameSizeAs(other.distances());
    assertThat(Arrays.stream(v).distinct().count()).as("%s: distinct", what).isEqualTo(v.length);
    for (int i = 1; i < s.length; i++) {
      assertThat(s[i]).as("%s: distances descend", what).isLessThan(s[i - 1]);
    }
    assertThat(v)
        .contains(
            IntStream.range(0, Math.min(LineSelection.FORCED_VERTICALS, Math.min(tokens, v.length)))
                .toArray());
    assertThat(s)
        .contains(
            IntStream.range(0, Math.min(LineSelection.FORCED_DISTANCES, Math.min(tokens, s.length)))
                .toArray());
    assertThat(verticalMass(v))
        .as("%s: mass of the columns", what)
        .isGreaterThanOrEqualTo(share * verticalMass(other.verticals()));
    assertThat(slashMass(s))
        .as("%s: mass of the distances", what)
        .isGreaterThanOrEqualTo(share * slashMass(other.distances()));
  }
}
