package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The worst error of one family of cases, asserted against the family's budget and printed with the
 * share of it that was used.
 */
public final class ErrorBudget implements AutoCloseable {
  private final String family;
  private final double limit;
  private double worst;
  private String where = "no case";
  private int cases;

  /**
   * @param family what the cases have in common, with the oracle's name
   * @param limit largest error that passes
   */
  public ErrorBudget(String family, double limit) {
    this.family = family;
    this.limit = limit;
  }

  /** Asserts one case's error. */
  public void spend(double error, String what) {
    cases++;
    if (!(error <= worst)) {
      worst = error;
      where = what;
    }
    assertThat(error).as("%s: %s", family, what).isLessThanOrEqualTo(limit);
  }

  /** Asserts max |out - reference| relative to max |reference|. */
  public void spend(float[] out, double[] reference, String what) {
    assertThat(out).as("%s: %s: size", family, what).hasSize(reference.length);
    double largest = 0;
    double difference = 0;
    for (int i = 0; i < out.length; i++) {
      largest = Math.max(largest, Math.abs(reference[i]));
      // Math.max hands NaN on, so an output that was never written is seen.
      difference = Math.max(difference, Math.abs(out[i] - reference[i]));
    }
    spend(difference == 0 ? 0 : difference / largest, what);
  }

  /** Prints the family's line. */
  @Override
  public void close() {
    System.out.printf(
        "%-62s %5d cases, worst %.2e of %.1e (%5.1f %% of the budget) at %s%n",
        family, cases, worst, limit, 100 * worst / limit, where);
  }
}
