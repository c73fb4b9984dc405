package io.sparsefill.job.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.TokenizedDocument;
import org.junit.jupiter.api.Test;

/** Oracles are the definitions, worked out by hand. */
class FidelityScoringTest {
  private static float[] logits(double... probabilities) {
    float[] logits = new float[probabilities.length];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = (float) (Math.log(probabilities[i]) + 7); // a constant changes nothing
    }
    return logits;
  }

  private static TokenizedDocument document(String id, int tokens) {
    return new TokenizedDocument(id, "", "", new int[tokens], DocumentStatus.OK, null, null);
  }

  @Test
  void divergenceIsThatOfTheDistributions() {
    double expected = 0.25 * Math.log(0.25 / 0.5) + 0.75 * Math.log(0.75 / 0.5);
    assertThat(FidelityScoring.divergence(logits(0.25, 0.75), logits(0.5, 0.5)))
        .isCloseTo(expected, within(1e-6));
    assertThat(FidelityScoring.divergence(logits(0.2, 0.8), logits(0.2, 0.8))).isZero();
    float[] far = {1000, -1000};
    assertThat(FidelityScoring.divergence(far, new float[] {-1000, 1000}))
        .isCloseTo(2000, within(1e-6));
  }

  @Test
  void ofEquallyLikelyTokensTheFirstCounts() {
    assertThat(FidelityScoring.likeliest(new float[] {1, 3, 3, -5})).isEqualTo(1);
  }

  @Test
  void positionsAreDistinctInOrderAndEndWithTheLast() {
    int[] drawn = FidelityScoring.positions(document("a", 1000), 20, 3);
    assertThat(drawn).hasSize(21).doesNotHaveDuplicates().isSorted().endsWith(999);
    assertThat(drawn).isEqualTo(FidelityScoring.positions(document("a", 1000), 20, 3));
    assertThat(drawn).isNotEqualTo(FidelityScoring.positions(document("b", 1000), 20, 3));
    assertThat(FidelityScoring.positions(document("a", 4), 20, 3)).containsExactly(0, 1, 2, 3);
    assertThat(FidelityScoring.positions(document("a", 1), 20, 3)).containsExactly(0);
  }
}
