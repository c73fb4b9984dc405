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
  private static final Budget BUDGET = new Budget(0.1, 0.05, List.of(0.1));
  private static final List<Trial> TRIALS = Trial.of(CANDIDATES, BUDGET.levels());

  /** Scores of one layer with one head: size, tiles of 1000, errors of each candidate. */
  private static List<HeadScore> sample(double[]... candidates) {
    List<HeadScore> scores = new ArrayList<>();
    for (int c = 0; c < candidates.length; c++) {
      double[] one = candidates[c];
      scores.add(
          new HeadScore(
              0, 0, c, (int) one[0], (long) one[1], 1000, one[2], one[3], 1 - one[2], 1, 1));
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
    return PatternChoice.of(List.of(byLength), TRIALS, BUDGET);
  }

  @Test
  void theSmallestMeanErrorWinsWithTheGeometricMeanOfItsSizes() {
    PatternChoice choice =
        choice(
            List.of(
                sample(of(400, 100, 0.1), of(5, 90, 0.3), of(3, 80, 0.4)),
                sample(of(900, 96, 0.3), of(5, 90, 0.3), of(3, 80, 0.4))));
    PatternChoice.Chosen chosen = choice.layer(0).get(0);
    assertThat(chosen.trial()).isEqualTo(TRIALS.get(0));
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
    assertThat(choice.layer(0).get(0).trial()).isEqualTo(TRIALS.get(1));
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
    assertThat(choice.layer(0).get(0).trial()).isEqualTo(TRIALS.get(1));
    assertThat(choice.layer(0).get(0).error()).isEqualTo(0.2);
  }

  @Test
  void whatIsWithinTwoPercentIsATieThatTheCheaperWins() {
    assertThat(
            choice(List.of(sample(of(400, 100, 0.2), of(5, 90, 0.2039), of(3, 80, 0.21))))
                .layer(0)
                .get(0)
                .trial())
        .isEqualTo(TRIALS.get(1));
    assertThat(
            choice(List.of(sample(of(400, 100, 0.2), of(5, 90, 0.2041), of(3, 80, 0.21))))
                .layer(0)
                .get(0)
                .trial())
        .isEqualTo(TRIALS.get(0));
    assertThat(
            choice(List.of(sample(of(400, 90, 0.2), of(5, 90, 0.2), of(3, 90, 0.2))))
                .layer(0)
                .get(0)
                .trial())
        .as("the first in the list, when all is equal")
        .isEqualTo(TRIALS.get(0));
  }

  @Test
  void whoIsTooDearIsOutOfTheRace() {
    PatternChoice choice =
        choice(List.of(sample(of(80, 106, 0.01), of(5, 105, 0.3), of(3, 80, 0.4))));
    assertThat(choice.layer(0).get(0).trial()).isEqualTo(TRIALS.get(1));
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
            TRIALS);
    assertThat(sizes.sizes()).isDeepEqualTo(new int[][][] {{{600}, {5}, {3}}});
  }

  /** Two heads, and which part of the layer's output the first one is. */
  private static List<HeadScore> heads(
      double[][] first, double[][] second, double share, double lastShare) {
    List<HeadScore> scores = new ArrayList<>();
    for (int t = 0; t < first.length; t++) {
      for (int head = 0; head < 2; head++) {
        double[] one = head == 0 ? first[t] : second[t];
        scores.add(
            new HeadScore(
                0,
                head,
                t,
                (int) one[0],
                (long) one[1],
                1000,
                one[2],
                one[3],
                1 - one[2],
                head == 0 ? share : 1 - share,
                head == 0 ? lastShare : 1 - lastShare));
      }
    }
    return scores;
  }

  @Test
  void aSharedBudgetGivesTilesToTheHeadWhoseErrorTheyLowerMost() {
    Budget shared = new Budget(0.1, 0.05, List.of(0.05, 0.15));
    List<Trial> trials = Trial.of(Candidate.parse("a-shape:64:256,block-sparse"), shared.levels());
    double[][] hardly = {
      of(2, 50, 0.20), of(6, 150, 0.19), of(3, 50, 0.30), of(9, 150, 0.10, 0.25)
    };
    double[][] much = {of(2, 50, 0.90), of(6, 150, 0.60), of(3, 50, 0.80), of(9, 150, 0.30)};
    PatternChoice choice =
        PatternChoice.of(List.of(List.of(heads(hardly, much, 0.5, 0.5))), trials, shared);
    assertThat(choice.layer(0))
        .extracting(PatternChoice.Chosen::trial)
        .containsExactly(trials.get(0), trials.get(3));
    assertThat(choice.layer(0))
        .extracting(PatternChoice.Chosen::density)
        .containsExactly(0.05, 0.15);
    assertThat(choice.table().layer(0))
        .containsExactly(
            new PatternTable.Entry("stream_llm", 64, 64, 0.20),
            new PatternTable.Entry("block_sparse", 9, 0, 0.30));
  }

  @Test
  void tilesGoToTheHeadThatMakesMostOfTheLayersOutputOverAllQueriesOrTheLast() {
    Budget shared = new Budget(0.1, 0.05, List.of(0.05, 0.15));
    List<Trial> trials = Trial.of(Candidate.parse("block-sparse"), shared.levels());
    double[][] more = {of(3, 50, 0.40, 0.40), of(9, 150, 0.10, 0.10)};
    double[][] less = {of(3, 50, 0.38, 0.38), of(9, 150, 0.10, 0.10)};
    assertThat(sizes(heads(more, less, 0.5, 0.5), trials, shared)).containsExactly(9, 3);
    assertThat(sizes(heads(more, less, 0.1, 0.5), trials, shared)).containsExactly(3, 9);
    assertThat(sizes(heads(less, more, 0.1, 0.99), trials, shared))
        .as("a head that retrieves is loud where the answer begins")
        .containsExactly(9, 3);
  }

  private static List<Integer> sizes(List<HeadScore> scores, List<Trial> trials, Budget budget) {
    return PatternChoice.of(List.of(List.of(scores)), trials, budget).layer(0).stream()
        .map(PatternChoice.Chosen::size)
        .toList();
  }

  @Test
  void aSharedBudgetThatNobodyReachesSaysWhatTheCheapestCost() {
    Budget shared = new Budget(0.1, 0.05, List.of(0.05, 0.1));
    List<Trial> trials = Trial.of(Candidate.parse("block-sparse"), shared.levels());
    double[][] head = {of(1, 120, 0.2), of(2, 150, 0.1)};
    assertThatThrownBy(
            () -> PatternChoice.of(List.of(List.of(heads(head, head, 0.5, 0.5))), trials, shared))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "Cannot find patterns of density 0.1000: the cheapest candidates of all heads compute 0.1200 of the tiles; give a larger --density or --target-flops, or longer samples");
  }
}
