package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Oracles: the coefficients that samples were made with, and a brute-force search of the minimum.
 */
class CostModelTest {
  private static List<CostModel.Sample> samples(CostModel model, double noise, long seed) {
    Random random = new Random(seed);
    List<CostModel.Sample> samples = new ArrayList<>();
    for (int tokens = 500; tokens < 1_000_000; tokens = tokens * 3 / 2) {
      double factor = 1 + noise * random.nextGaussian();
      samples.add(new CostModel.Sample(tokens, factor * model.seconds(tokens)));
    }
    return samples;
  }

  @ParameterizedTest
  @CsvSource({
    "1e-4, 1e-9, 0.5",
    "1e-4, 0, 0",
    "0, 1e-9, 0",
    "0, 0, 2",
    "1e-4, 0, 0.5",
    "0, 1e-9, 3",
    "1e-4, 1e-9, 0"
  })
  void exactSamplesGiveTheirModelBack(double a, double b, double c) {
    CostModel fitted = CostModel.fit(samples(new CostModel(a, b, c), 0, 1));
    assertThat(fitted.perToken()).isCloseTo(a, within(1e-10 + 1e-6 * a));
    assertThat(fitted.perTokenSquared()).isCloseTo(b, within(1e-16 + 1e-6 * b));
    assertThat(fitted.perDocument()).isCloseTo(c, within(1e-4 + 1e-6 * c));
  }

  @ParameterizedTest
  @CsvSource({"1, 0.02", "2, 0.05", "3, 0.3", "4, 1.0"})
  void noisySamplesGiveTheNonNegativeModelOfLeastError(long seed, double noise) {
    List<CostModel.Sample> samples =
        samples(new CostModel(1e-4, 1e-9, 0.5), noise, seed).stream()
            .filter(s -> s.seconds() > 0)
            .toList();
    CostModel fitted = CostModel.fit(samples);
    double least = error(samples, fitted);
    for (double fa : new double[] {0, 0.9, 0.99, 1, 1.01, 1.1}) {
      for (double fb : new double[] {0, 0.9, 0.99, 1, 1.01, 1.1}) {
        for (double fc : new double[] {0, 0.9, 0.99, 1, 1.01, 1.1}) {
          for (double extra : new double[] {1e-9, 1e-6, 1e-4}) {
            CostModel other =
                new CostModel(
                    fa * fitted.perToken() + extra,
                    fb * fitted.perTokenSquared() + extra * 1e-6,
                    fc * fitted.perDocument() + extra);
            assertThat(error(samples, other)).isGreaterThanOrEqualTo(least * (1 - 1e-6));
          }
        }
      }
    }
  }

  private static double error(List<CostModel.Sample> samples, CostModel model) {
    return samples.stream()
        .mapToDouble(s -> Math.pow(s.seconds() - model.seconds(s.tokens()), 2))
        .sum();
  }

  @Test
  void fewSamplesAreEnoughForFewerTerms() {
    CostModel one = CostModel.fit(List.of(new CostModel.Sample(1000, 2.0)));
    assertThat(one.seconds(1000)).isCloseTo(2.0, Percentage.withPercentage(1e-6));
    CostModel two =
        CostModel.fit(List.of(new CostModel.Sample(1000, 2.0), new CostModel.Sample(3000, 8.0)));
    assertThat(two.seconds(1000)).isCloseTo(2.0, Percentage.withPercentage(1e-6));
    assertThat(two.seconds(3000)).isCloseTo(8.0, Percentage.withPercentage(1e-6));
    // The same length many times determines one term only.
    CostModel same =
        CostModel.fit(List.of(new CostModel.Sample(10, 1.0), new CostModel.Sample(10, 3.0)));
    assertThat(same.seconds(10)).isCloseTo(2.0, Percentage.withPercentage(1e-6));
  }

  @Test
  void arithmeticOfAModel() {
    // By hand: 8e9 weights, 32 layers, 32 heads of 128, 131,072 tokens, dense, 4e14 operations/s.
    CostModel model = CostModel.of(8_000_000_000L, 32, 32, 128, 1.0, 4e14, 0.25);
    double n = 131_072;
    double weights = 2 * 8e9 * n;
    double attention = 32.0 * 32 * (n * n / 2) * (2 * 128 + 2 * 128);
    assertThat(model.seconds(131_072))
        .isCloseTo((weights + attention) / 4e14 + 0.25, Percentage.withPercentage(1e-9));
  }

  @Test
  void nonsenseIsRefused() {
    assertThatThrownBy(() -> CostModel.fit(List.of())).hasMessageContaining("no samples");
    assertThatThrownBy(() -> CostModel.fit(List.of(new CostModel.Sample(10, Double.NaN))))
        .hasMessageContaining("10 tokens in NaN s is no measurement");
    assertThatThrownBy(() -> new CostModel(-1, 1, 1)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new CostModel(0, 0, 0)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new CostModel(Double.NaN, 0, 1))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
