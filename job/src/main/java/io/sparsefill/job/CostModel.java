package io.sparsefill.job;

import java.io.Serializable;
import java.util.List;

/**
 * Predicts how long a pre-fill of n tokens takes: a n + b n^2 + c seconds. Packing needs only the
 * ratios to be right, waves and remaining times the seconds too.
 *
 * @param perToken a: projections and MLP, and sparse attention, which is close to linear
 * @param perTokenSquared b: dense attention
 * @param perDocument c: what every document costs, such as its rows' overhead
 */
public record CostModel(double perToken, double perTokenSquared, double perDocument)
    implements Serializable {
  /**
   * A small model (19 M parameters) with dense attention on two CPU cores: about 5,400 tokens/s at
   * 512 tokens and 600 at 16,384. A start where nothing is known; {@link #fit} or {@link #of} is
   * better.
   */
  public static final CostModel DEFAULT = new CostModel(1.4e-4, 9e-8, 0.02);

  /** Rows of the fit: one of the three terms may be absent from the model. */
  private static final int TERMS = 3;

  /**
   * One measured pre-fill.
   *
   * @param tokens its length
   * @param seconds how long it took
   */
  public record Sample(int tokens, double seconds) {}

  /**
   * Checks the coefficients.
   *
   * @throws IllegalArgumentException if one is negative or not finite, or nothing costs anything
   */
  public CostModel {
    boolean valid =
        isCost(perToken)
            && isCost(perTokenSquared)
            && isCost(perDocument)
            && perToken + perTokenSquared + perDocument > 0;
    if (!valid) {
      throw new IllegalArgumentException(
          ("Cannot predict with %g s/token, %g s/token^2 and %g s/document: none may be "
                  + "negative, and one must be above 0")
              .formatted(perToken, perTokenSquared, perDocument));
    }
  }

  /**
   * From the arithmetic of a model: 2 operations per weight and token, and 2 L H D per pair of
   * query and key (a product for the score, one for the value, half of all pairs).
   *
   * @param weights parameters that every token passes
   * @param layers L
   * @param heads H
   * @param headDim D
   * @param density share of the score tiles that attention computes; 1 is dense
   * @param operationsPerSecond what a slot sustains
   * @param perDocument seconds
   */
  public static CostModel of(
      long weights,
      int layers,
      int heads,
      int headDim,
      double density,
      double operationsPerSecond,
      double perDocument) {
    return new CostModel(
        2.0 * weights / operationsPerSecond,
        2.0 * layers * heads * headDim * density / operationsPerSecond,
        perDocument);
  }

  /** Predicted seconds for a document of that many tokens. */
  public double seconds(int tokens) {
    return perDocument + tokens * (perToken + tokens * perTokenSquared);
  }

  /** Predicted seconds for a document. */
  public double seconds(DocumentSummary document) {
    return seconds(document.tokenCount());
  }

  /**
   * The model of least squared error with no negative coefficient. The best non-negative solution
   * is the plain least-squares solution over the terms that it uses, so with three terms it is
   * enough to solve for each of the seven selections and take the best that is non-negative.
   *
   * @throws IllegalArgumentException if there are no samples, or one is not a positive time of a
   *     positive number of tokens
   */
  public static CostModel fit(List<Sample> samples) {
    if (samples.isEmpty()) {
      throw new IllegalArgumentException("Cannot fit a cost model: there are no samples");
    }
    double longest = 0;
    for (Sample sample : samples) {
      if (sample.tokens() < 1 || !(sample.seconds() > 0) || Double.isInfinite(sample.seconds())) {
        throw new IllegalArgumentException(
            "Cannot fit a cost model: %d tokens in %g s is no measurement"
                .formatted(sample.tokens(), sample.seconds()));
      }
      longest = Math.max(longest, sample.tokens());
    }
    double[] best = null;
    double bestError = Double.POSITIVE_INFINITY;
    for (int terms = 1; terms < 1 << TERMS; terms++) {
      double[] solution = solve(samples, terms, longest);
      if (solution == null || solution[0] < 0 || solution[1] < 0 || solution[2] < 0) {
        continue;
      }
      double error = squaredError(samples, solution, longest);
      // A term more must be worth it: rounding alone makes larger selections look better.
      if (error < bestError * (1 - 1e-9)) {
        best = solution;
        bestError = error;
      }
    }
    // There is always one: a single term's coefficient is a quotient of positive sums.
    return new CostModel(best[0] / longest, best[1] / (longest * longest), best[2]);
  }

  private static boolean isCost(double value) {
    return value >= 0 && value < Double.POSITIVE_INFINITY;
  }

  /** Values of the three terms at a length, scaled to at most 1 for a well-conditioned system. */
  private static double[] terms(Sample sample, double longest) {
    double n = sample.tokens() / longest;
    return new double[] {n, n * n, 1};
  }

  private static double squaredError(List<Sample> samples, double[] solution, double longest) {
    double sum = 0;
    for (Sample sample : samples) {
      double[] x = terms(sample, longest);
      double error =
          sample.seconds() - x[0] * solution[0] - x[1] * solution[1] - x[2] * solution[2];
      sum += error * error;
    }
    return sum;
  }

  /**
   * Least squares over the selected terms by normal equations, with 0 for the others; null if the
   * samples do not determine them.
   */
  private static double[] solve(List<Sample> samples, int selected, double longest) {
    double[][] a = new double[TERMS][TERMS + 1];
    for (Sample sample : samples) {
      double[] x = terms(sample, longest);
      for (int i = 0; i < TERMS; i++) {
        for (int j = 0; j < TERMS; j++) {
          a[i][j] += x[i] * x[j];
        }
        a[i][TERMS] += x[i] * sample.seconds();
      }
    }
    for (int i = 0; i < TERMS; i++) {
      if ((selected >> i & 1) == 0) {
        for (int j = 0; j < TERMS; j++) {
          a[i][j] = 0;
          a[j][i] = 0;
        }
        a[i][i] = 1;
        a[i][TERMS] = 0;
      }
    }
    // Gauss-Jordan; the matrix is symmetric and positive definite unless it is singular.
    for (int i = 0; i < TERMS; i++) {
      if (a[i][i] < 1e-12 * samples.size()) {
        return null;
      }
      for (int row = 0; row < TERMS; row++) {
        if (row != i) {
          double factor = a[row][i] / a[i][i];
          for (int j = i; j <= TERMS; j++) {
            a[row][j] -= factor * a[i][j];
          }
        }
      }
    }
    return new double[] {a[0][TERMS] / a[0][0], a[1][TERMS] / a[1][1], a[2][TERMS] / a[2][2]};
  }
}
