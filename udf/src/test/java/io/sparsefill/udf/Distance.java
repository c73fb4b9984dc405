package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;

/** How far numbers are from what they should be. */
final class Distance {
  private Distance() {}

  /** Frobenius norm of the difference over that of what is expected. */
  static double relative(float[] actual, float[] expected) {
    assertThat(actual).hasSameSizeAs(expected);
    double error = 0;
    double size = 0;
    for (int i = 0; i < expected.length; i++) {
      error += Math.pow(actual[i] - expected[i], 2);
      size += Math.pow(expected[i], 2);
    }
    return Math.sqrt(error / size);
  }
}
