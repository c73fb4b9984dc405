package io.sparsefill.job.eval.task;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * Perplexity by position: a bucket for the first so many tokens, and one for each doubling after.
 * Sparse attention errs where its estimate did not look, so that the early and the middle positions
 * tell more than the mean.
 */
public final class PositionBuckets implements Serializable {
  /**
   * What was measured in positions [from, to).
   *
   * @param from first position; position 0 has no likelihood and is in no bucket's count
   * @param to position after the last
   * @param tokens how many tokens were measured
   * @param perplexity e to the mean negative log-likelihood
   */
  public record Bucket(int from, int to, long tokens, double perplexity) {}

  private final int first;
  private final List<double[]> sums = new ArrayList<>(); // [sum of nats, tokens]

  /**
   * Without a measurement.
   *
   * @param first positions of the first bucket
   */
  public PositionBuckets(int first) {
    if (first < 1) {
      throw new IllegalArgumentException(
          "Cannot make a bucket of %d positions: it needs 1 at least".formatted(first));
    }
    this.first = first;
  }

  /**
   * Adds a text.
   *
   * @param nll negative log-likelihood (nats) of token t + 1 at index t, as a pre-fill gives it
   */
  public void add(float[] nll) {
    for (int t = 0; t < nll.length; t++) {
      double[] sum = at(bucket(t + 1));
      sum[0] += nll[t];
      sum[1]++;
    }
  }

  /** Adds what others were given, the texts of another task. */
  public void add(PositionBuckets others) {
    if (others.first != first) {
      throw new IllegalArgumentException(
          "Cannot add buckets from %d positions on to those from %d on"
              .formatted(others.first, first));
    }
    for (int i = 0; i < others.sums.size(); i++) {
      double[] sum = at(i);
      sum[0] += others.sums.get(i)[0];
      sum[1] += others.sums.get(i)[1];
    }
  }

  /** The buckets up to the longest text's. */
  public List<Bucket> buckets() {
    List<Bucket> buckets = new ArrayList<>();
    for (int i = 0; i < sums.size(); i++) {
      double[] sum = sums.get(i);
      buckets.add(
          new Bucket(
              i == 0 ? 0 : first << (i - 1), first << i, (long) sum[1], Math.exp(sum[0] / sum[1])));
    }
    return buckets;
  }

  /** Perplexity over all positions; NaN without a text. */
  public double perplexity() {
    double nats = 0;
    double tokens = 0;
    for (double[] sum : sums) {
      nats += sum[0];
      tokens += sum[1];
    }
    return Math.exp(nats / tokens);
  }

  private int bucket(int position) {
    return position < first ? 0 : 32 - Integer.numberOfLeadingZeros(position / first);
  }

  private double[] at(int bucket) {
    while (sums.size() <= bucket) {
      sums.add(new double[2]);
    }
    return sums.get(bucket);
  }
}
