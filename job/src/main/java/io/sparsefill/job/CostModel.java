package io.sparsefill.job;

import java.io.Serializable;

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

  /** Predicted seconds for a document of that many tokens. */
  public double seconds(int tokens) {
    return perDocument + tokens * (perToken + tokens * perTokenSquared);
  }

  /** Predicted seconds for a document. */
  public double seconds(DocumentSummary document) {
    return seconds(document.tokenCount());
  }

  /** The same curve, so many times as high. */
  CostModel scaled(double factor) {
    return new CostModel(perToken * factor, perTokenSquared * factor, perDocument * factor);
  }

  private static boolean isCost(double value) {
    return value >= 0 && value < Double.POSITIVE_INFINITY;
  }
}
