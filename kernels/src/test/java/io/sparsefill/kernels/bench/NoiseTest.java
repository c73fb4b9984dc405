package io.sparsefill.kernels.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class NoiseTest {
  @Test
  void hasTheDeviationAndNoMean() {
    float[] values = new float[1 << 18];
    new Noise(1 << 9, 1 << 9, 0.5, 3).read(0, 1 << 9, values, 0);
    double sum = 0;
    double squares = 0;
    double neighbours = 0;
    for (int i = 0; i < values.length; i++) {
      sum += values[i];
      squares += values[i] * values[i];
      neighbours += i == 0 ? 0 : values[i] * values[i - 1];
    }
    // Four deviations of each estimate over 2^18 independent numbers.
    assertThat(sum / values.length).isCloseTo(0, within(0.5 * 4 / 512));
    assertThat(squares / values.length).isCloseTo(0.25, within(0.25 * 1.3 * 4 / 512));
    assertThat(neighbours / values.length).isCloseTo(0, within(0.25 * 4 / 512));
  }

  @Test
  void rowsAreTheSameHoweverTheyAreRead() {
    Noise noise = new Noise(10, 7, 1, 4);
    float[] all = new float[70];
    noise.read(0, 10, all, 0);
    float[] parts = new float[70];
    noise.read(6, 4, parts, 42);
    noise.read(0, 6, parts, 0);
    assertThat(parts).isEqualTo(all);
    float[] other = new float[70];
    new Noise(10, 7, 1, 5).read(0, 10, other, 0);
    assertThat(other).isNotEqualTo(all);
  }
}
