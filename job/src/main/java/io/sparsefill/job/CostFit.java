package io.sparsefill.job;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A {@link CostModel} fitted to what documents took.
 *
 * <p>The coefficients are the non-negative ones with the least sum of |log(measured / predicted)|,
 * each times the square root of the predicted seconds: ratios, because one long document would else
 * drown a hundred short ones; the root, because those must not drown the long one either, which
 * takes as long as they all; not squared, because a document that shared its machine for a while
 * must not bend the curve; and logarithms, because errors in proportion to the measured seconds
 * would favour a curve that is too low. They are found by iteratively reweighted least squares
 * (Lawson 1961), each step of which is a non-negative least squares problem of three unknowns; that
 * is solved by trying all seven sets of coefficients above 0.
 *
 * @param model the coefficients
 * @param documents how many documents they were fitted to
 * @param medianRelativeError median of |predicted - measured| / measured over these documents
 */
public record CostFit(CostModel model, int documents, double medianRelativeError) {
  /** A curve is fitted to lengths of which the longest is at least so many times the shortest. */
  private static final double LEAST_SPREAD = 4;

  /** A curve of three coefficients is fitted to at least so many different lengths. */
  private static final int LEAST_LENGTHS = 6;

  /** Documents that are looked at; more are thinned out evenly over their lengths. */
  private static final int MOST_SAMPLES = 4096;

  private static final int STEPS = 60;

  /** Relative errors below this count as this, so that no weight is infinite. */
  private static final double LEAST_ERROR = 1e-7;

  /** A column of which less than this share is new beside the others is one of them. */
  private static final double DEPENDENT = 1e-9;

  /**
   * What one document took.
   *
   * @param tokens its length, at least 1
   * @param seconds of its pre-fill, above 0
   */
  public record Sample(int tokens, double seconds) {
    /** Checks both. */
    public Sample {
      if (tokens < 1 || !(seconds > 0) || seconds == Double.POSITIVE_INFINITY) {
        throw new IllegalArgumentException(
            "Cannot fit costs to a document of %d tokens that took %g s: both must be above 0"
                .formatted(tokens, seconds));
      }
    }
  }

  /**
   * Fits. Of too few lengths, or of lengths too alike, nothing can be said of others; then the
   * prior keeps its shape and is only scaled, by the median of measured over predicted seconds.
   *
   * @param samples at least one
   * @param prior what was assumed before
   */
  public static CostFit of(List<Sample> samples, CostModel prior) {
    if (samples.isEmpty()) {
      throw new IllegalArgumentException("Cannot fit costs to no documents; keep the prior");
    }
    List<Sample> kept = thinned(samples);
    CostModel model = showCurve(kept) ? curve(kept) : scaled(kept, prior);
    double[] errors =
        kept.stream()
            .mapToDouble(s -> Math.abs(model.seconds(s.tokens()) / s.seconds() - 1))
            .toArray();
    return new CostFit(model, samples.size(), median(errors));
  }

  private static List<Sample> thinned(List<Sample> samples) {
    if (samples.size() <= MOST_SAMPLES) {
      return samples;
    }
    List<Sample> sorted = new ArrayList<>(samples);
    sorted.sort(Comparator.comparingInt(Sample::tokens).thenComparingDouble(Sample::seconds));
    List<Sample> kept = new ArrayList<>(MOST_SAMPLES);
    for (long i = 0; i < MOST_SAMPLES; i++) { // the first and the last are among them
      kept.add(sorted.get((int) (i * (sorted.size() - 1) / (MOST_SAMPLES - 1))));
    }
    return kept;
  }

  private static boolean showCurve(List<Sample> samples) {
    int[] lengths = samples.stream().mapToInt(Sample::tokens).sorted().distinct().toArray();
    return lengths.length >= LEAST_LENGTHS
        && lengths[lengths.length - 1] >= LEAST_SPREAD * lengths[0];
  }

  private static CostModel scaled(List<Sample> samples, CostModel prior) {
    return prior.scaled(
        median(
            samples.stream().mapToDouble(s -> s.seconds() / prior.seconds(s.tokens())).toArray()));
  }

  /** Fits all three coefficients; every step weights by the errors that the last one left. */
  private static CostModel curve(List<Sample> samples) {
    int rows = samples.size();
    double[] weights = samples.stream().mapToDouble(s -> Math.pow(s.seconds(), -0.75)).toArray();
    double[][] columns = new double[3][rows];
    double[] target = new double[rows];
    double[] x = null;
    for (int step = 0; step < STEPS; step++) {
      for (int i = 0; i < rows; i++) {
        double n = samples.get(i).tokens();
        columns[0][i] = n * weights[i];
        columns[1][i] = n * n * weights[i];
        columns[2][i] = weights[i];
        target[i] = samples.get(i).seconds() * weights[i];
      }
      x = nonNegativeLeastSquares(columns, target);
      for (int i = 0; i < rows; i++) {
        double n = samples.get(i).tokens();
        double predicted = x[0] * n + x[1] * n * n + x[2];
        double error = Math.abs(samples.get(i).seconds() / predicted - 1);
        weights[i] = Math.pow(predicted, -0.75) / Math.sqrt(Math.max(error, LEAST_ERROR));
      }
    }
    return new CostModel(x[0], x[1], x[2]);
  }

  /** The non-negative x with the least |columns x - target|. */
  private static double[] nonNegativeLeastSquares(double[][] columns, double[] target) {
    double[] best = null;
    double bestRest = Double.POSITIVE_INFINITY;
    for (int set = 1; set < 1 << columns.length; set++) {
      double[] x = new double[columns.length];
      double rest = leastSquares(columns, set, target, x);
      boolean feasible = Arrays.stream(x).allMatch(value -> value >= 0);
      if (feasible && rest < bestRest) {
        best = x;
        bestRest = rest;
      }
    }
    return best; // never null: one positive column alone has a positive coefficient
  }

  /**
   * Least squares over some of the columns by modified Gram-Schmidt, with the target as the last
   * column, which keeps it accurate for columns as alike as n and n^2.
   *
   * @param set bit c is on for each column c that is used
   * @param x takes the coefficients, 0 for the other columns
   * @return sum of the squares that are left; infinite if the columns are dependent
   */
  private static double leastSquares(double[][] columns, int set, double[] target, double[] x) {
    int[] used = IntStream.range(0, columns.length).filter(c -> (set >> c & 1) == 1).toArray();
    int count = used.length;
    double[][] q = new double[count][];
    for (int c = 0; c < count; c++) {
      q[c] = columns[used[c]].clone();
    }
    double[] rest = target.clone();
    double[][] r = new double[count][count];
    double[] y = new double[count];
    for (int c = 0; c < count; c++) {
      r[c][c] = Math.sqrt(dot(q[c], q[c]));
      if (r[c][c] <= DEPENDENT * Math.sqrt(dot(columns[used[c]], columns[used[c]]))) {
        return Double.POSITIVE_INFINITY;
      }
      scale(q[c], 1 / r[c][c]);
      for (int d = c + 1; d < count; d++) {
        r[c][d] = takeOut(q[c], q[d]);
      }
      y[c] = takeOut(q[c], rest);
    }
    for (int c = count - 1; c >= 0; c--) {
      double value = y[c];
      for (int d = c + 1; d < count; d++) {
        value -= r[c][d] * x[used[d]];
      }
      x[used[c]] = value / r[c][c];
    }
    return dot(rest, rest);
  }

  /** Takes the part along a unit vector out of another one; returns its length. */
  private static double takeOut(double[] unit, double[] from) {
    double along = dot(unit, from);
    for (int i = 0; i < from.length; i++) {
      from[i] -= along * unit[i];
    }
    return along;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  private static void scale(double[] values, double by) {
    for (int i = 0; i < values.length; i++) {
      values[i] *= by;
    }
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int half = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }
}
