package io.sparsefill.udf.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.attention.PatternTable;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Who wins, by scores made by hand. */
class PatternChoiceTest {
  private static final List<Candidate> CANDIDATES =
      Candidate.parse("vertical-slash:1:9,a-shape:64:256,block-sparse");
  private static final CostMatching TARGET = new CostMatching(0.1, 0.05);

  /** Scores of one layer with one head: size, tiles of 1000, errors of each candidate. */
  private static List<HeadScore> sample(double[]... candidates) {
    List<HeadScore> scores = new ArrayList<>();
    for (int c = 0; c < candidates.length; c++) {
      double[] one = candidates[c];
      scores.add(
          new HeadScore(0, 0, c, (int) one[0], (long) one[1], 1000, one[2], one[3], 1 - one[2]));
    }
    return scores;
  }

  private static double[] of(int size, int tiles, double error) {
    return of(size, tiles, error, error / 2);
  }

  private static double[] of(int size, int tiles, double error, double lastError) {
    return new double[] {size, tiles, error, lastError};
  }

  @SafeVarargs
  private static PatternChoice choice(List<List<HeadScore>>... byLength) {
    return PatternChoice.of(List.of(byLength), CANDIDATES, TARGET);
  }

  @Test
  void theSmallestMeanErrorWinsWithTheGeometricMeanOfItsSizes() {
    PatternChoice choice =
        choice(
            List.of(
                sample(of(400, 100, 0.1), of(5, 90, 0.3), of(3, 80, 0.4)),
                sample(of(900, 96, 0.3), of(5, 90, 0.3), of(3, 80, 0.4))));
    PatternChoice.Chosen chosen = choice.layer(0).get(0);
    assertThat(chosen.candidate()).isZero();
    assertThat(chosen.size()).isEqualTo(600);
    assertThat(chosen.error()).isEqualTo(0.2);
    assertThat(chosen.recall()).isEqualTo(0.8);
    assertThat(chosen.density()).isEqualTo(0.098);
    assertThat(choice.table().layer(0))
        .containsExactly(new PatternTable.Entry("vertical_and_slash", 60, 540, 0.2));
  }

  @Test
  void theWorstLengthDecides() {
    PatternChoice choice =
        choice(
            List.of(sample(of(400, 100, 0.1), of(5, 100, 0.2), of(3, 100, 0.4))),
            List.of(sample(of(400, 300, 0.3), of(5, 300, 0.1), of(3, 300, 0.1))));
    assertThat(choice.layer(0).get(0).candidate()).isEqualTo(1);
    assertThat(choice.layer(0).get(0).error()).isEqualTo(0.2);
    assertThat(choice.layer(0).get(0).density()).as("of the longest").isEqualTo(0.1);
  }

  @Test
  void theLastQueriesCountAsMuchAsAllOfThem() {
    PatternChoice choice =
        choice(
            List.of(
                sample(of(400, 100, 0.1, 0.5), of(5, 100, 0.3, 0.1), of(3, 100, 0.1, 0.4)),
                sample(of(400, 100, 0.1, 0.7), of(5, 100, 0.1, 0.3), of(3, 100, 0.1, 0.4))));
    assertThat(choice.layer(0).get(0).candidate()).isEqualTo(1);
    assertThat(choice.layer(0).get(0).error()).isEqualTo(0.2);
  }

  @Test
  void whatIsWithinTwoPercentIsATieThatTheCheaperWins() {
    assertThat(
            choice(List.of(sample(of(400, 100, 0.2), of(5, 90, 0.2039), of(3, 80, 0.21))))
                .layer(0)
                .get(0)
                .candidate())
        .isEqualTo(1);
    assertThat(
            choice(List.of(sample(of(400, 100, 0.2), of(5, 90, 0.2041), of(3, 80, 0.21))))
                .layer(0)
                .get(0)
                .candidate())
        .isZero();
    assertThat(
            choice(List.of(sample(of(400, 90, 0.2), of(5, 90, 0.2), of(3, 90, 0.2))))
                .layer(0)
                .get(0)
                .candidate())
        .as("the first in the list, when all is equal")
        .isZero();
  }

  @Test
  void whoIsTooDearIsOutOfTheRace() {
    PatternChoice choice =
        choice(List.of(sample(of(80, 106, 0.01), of(5, 105, 0.3), of(3, 80, 0.4))));
    assertThat(choice.layer(0).get(0).candidate()).isEqualTo(1);
  }

  @Test
  void aTargetThatNobodyReachesSaysWhatTheCheapestCosts() {
    assertThatThrownBy(
            () -> choice(List.of(sample(of(80, 300, 0.1), of(2, 210, 0.1), of(1, 220, 0.1)))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "Cannot find patterns of density 0.1000: on layer 0, head 0 no candidate computes less than 0.2100 of the tiles; give a larger --density or --target-flops, or longer samples");
  }

  @Test
  void sizesForShorterSamplesAreTheMeansOfTheLongest() {
    GivenSizes sizes =
        PatternChoice.sizes(
            List.of(
                sample(of(400, 1, 0), of(5, 1, 0), of(3, 1, 0)),
                sample(of(900, 1, 0), of(5, 1, 0), of(4, 1, 0))),
            CANDIDATES);
    assertThat(sizes.sizes()).isDeepEqualTo(new int[][][] {{{600}, {5}, {3}}});
  }
}
