package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.CostFit.Sample;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.assertj.core.data.Offset;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

/** Oracle: the coefficients that the measured seconds were made with. */
class CostFitTest {
  private static final CostModel TRUE = new CostModel(5e-5, 2e-10, 0.03);
  private static final CostModel PRIOR = new CostModel(1e-3, 1e-8, 0.02);
  private static final int[] SHORT_AND_LONG = {
    100, 1_000, 4_000, 9_000, 40_000, 250_000, 1_000_000
  };

  private static List<Sample> samples(CostModel model, int... lengths) {
    List<Sample> samples = new ArrayList<>();
    for (int length : lengths) {
      samples.add(new Sample(length, model.seconds(length)));
    }
    return samples;
  }

  /** Log-normal lengths of median 8K, up to 1M. */
  private static int[] lengths(int count, Random random) {
    return random
        .doubles(count)
        .mapToInt(ignored -> (int) Math.min(1e6, 8192 * Math.exp(1.2 * random.nextGaussian())))
        .toArray();
  }

  private static void assertPredicts(CostFit fit, CostModel truth, double percent) {
    for (int length : SHORT_AND_LONG) {
      assertThat(fit.model().seconds(length))
          .as("%d tokens by %s", length, fit)
          .isCloseTo(truth.seconds(length), Percentage.withPercentage(percent));
    }
  }

  @Test
  void exactSecondsGiveTheirCoefficientsBack() {
    CostFit fit = CostFit.of(samples(TRUE, SHORT_AND_LONG), PRIOR);
    assertThat(fit.model().perToken()).isCloseTo(TRUE.perToken(), Percentage.withPercentage(1e-4));
    assertThat(fit.model().perTokenSquared())
        .isCloseTo(TRUE.perTokenSquared(), Percentage.withPercentage(1e-4));
    assertThat(fit.model().perDocument())
        .isCloseTo(TRUE.perDocument(), Percentage.withPercentage(1e-4));
    assertThat(fit.documents()).isEqualTo(7);
    assertThat(fit.medianRelativeError()).isLessThan(1e-6);
  }

  @Test
  void aCoefficientThatIsNotThereIsZeroAndNeverNegative() {
    CostModel linear = new CostModel(7e-5, 0, 0);
    CostFit fit = CostFit.of(samples(linear, SHORT_AND_LONG), PRIOR);
    assertPredicts(fit, linear, 1e-3);
    // Seconds that fall behind a line would make n^2 negative.
    List<Sample> bending = new ArrayList<>();
    for (int length : SHORT_AND_LONG) {
      bending.add(new Sample(length, Math.pow(length, 0.8) * 1e-3));
    }
    CostModel bent = CostFit.of(bending, PRIOR).model();
    assertThat(bent.perTokenSquared()).isEqualTo(0, Offset.offset(1e-12));
    assertThat(bent.perToken()).isPositive();
  }

  @Test
  void twentyPercentOfNoiseLeavesTheCurve() {
    Random random = new Random(3);
    List<Sample> noisy = new ArrayList<>();
    for (int length : lengths(2_000, random)) {
      double factor = Math.exp(0.2 * random.nextGaussian());
      noisy.add(new Sample(length, TRUE.seconds(length) * factor));
    }
    CostFit fit = CostFit.of(noisy, PRIOR);
    assertPredicts(fit, TRUE, 6);
    // The median of |exp(0.2 z) - 1| is 0.2 x 0.6745.
    assertThat(fit.medianRelativeError()).isEqualTo(0.135, Offset.offset(0.015));
  }

  @Test
  void oneInTenTakingTenTimesAsLongDoesNotBendIt() {
    Random random = new Random(5);
    int[] lengths = lengths(300, random);
    List<Sample> samples = samples(TRUE, lengths);
    for (int i = 0; i < samples.size(); i += 10) {
      samples.set(i, new Sample(lengths[i], 10 * TRUE.seconds(lengths[i])));
    }
    CostFit fit = CostFit.of(samples, PRIOR);
    assertPredicts(fit, TRUE, 0.1);
    assertThat(fit.medianRelativeError()).isLessThan(1e-3);
  }

  @Test
  void oneLengthScalesThePriorByTheMedian() {
    double predicted = PRIOR.seconds(8_000);
    CostFit fit =
        CostFit.of(
            List.of(
                new Sample(8_000, predicted / 20),
                new Sample(8_000, predicted / 20),
                new Sample(8_000, predicted * 3)),
            PRIOR);
    assertThat(fit.model().perToken())
        .isCloseTo(PRIOR.perToken() / 20, Percentage.withPercentage(1e-9));
    assertThat(fit.model().perTokenSquared())
        .isCloseTo(PRIOR.perTokenSquared() / 20, Percentage.withPercentage(1e-9));
    assertThat(fit.documents()).isEqualTo(3);
    assertThat(fit.medianRelativeError()).isZero();
  }

  @Test
  void lengthsTooAlikeOrTooFewKeepThePriorsShapeToo() {
    CostModel slower = PRIOR.scaled(1.7);
    int[] alike = {8_000, 8_100, 8_200, 8_300, 8_400, 8_500, 8_600, 8_700};
    assertThat(CostFit.of(samples(slower, alike), PRIOR).model().perDocument())
        .isCloseTo(slower.perDocument(), Percentage.withPercentage(1e-9));
    assertThat(CostFit.of(samples(TRUE, 1_000, 100_000), PRIOR).model())
        .satisfies(
            model ->
                assertThat(model.perTokenSquared() / model.perToken())
                    .isCloseTo(
                        PRIOR.perTokenSquared() / PRIOR.perToken(),
                        Percentage.withPercentage(1e-9)));
  }

  @Test
  void twoRegimesAreMetBetweenAndTheirErrorIsTold() {
    // Dense up to 16K, then a sparse pattern: no curve of the form fits both.
    List<Sample> samples = new ArrayList<>();
    for (int length : lengths(2_000, new Random(8))) {
      double quadratic = 2e-9 * Math.min(length, 16_000) * length;
      samples.add(new Sample(length, 5e-5 * length + quadratic + 0.01));
    }
    CostFit fit = CostFit.of(samples, PRIOR);
    assertThat(fit.medianRelativeError()).isBetween(0.01, 0.2);
    for (Sample sample : samples) {
      assertThat(fit.model().seconds(sample.tokens()) / sample.seconds())
          .as("%s by %s", sample, fit)
          .isBetween(0.5, 2.0);
    }
  }

  @Test
  void moreDocumentsThanAreLookedAtAreThinnedOverAllLengths() {
    CostFit fit = CostFit.of(samples(TRUE, lengths(20_000, new Random(1))), PRIOR);
    assertPredicts(fit, TRUE, 1e-2);
    assertThat(fit.documents()).isEqualTo(20_000);
  }

  @Test
  void nonsenseIsRefused() {
    assertThatThrownBy(() -> CostFit.of(List.of(), PRIOR))
        .hasMessageContaining("Cannot fit costs to no documents");
    assertThatThrownBy(() -> new Sample(0, 1)).hasMessageContaining("0 tokens");
    assertThatThrownBy(() -> new Sample(1, 0)).hasMessageContaining("both must be above 0");
    assertThatThrownBy(() -> new Sample(1, Double.NaN)).hasMessageContaining("NaN");
  }
}
