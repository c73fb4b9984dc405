package io.sparsefill.udf.search;

import io.sparsefill.kernels.attention.PatternTable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * From the scores of all samples to one pattern for each head.
 *
 * <ul>
 *   <li>A candidate's size is the geometric mean of its sizes on the longest samples.
 *   <li>Out of the race is a candidate that, on average over those, computes more tiles than the
 *       target and its tolerance: its smallest member is too dear.
 *   <li>A candidate's error is the mean over the samples of a length: over all queries or over the
 *       last 64, whichever is larger, at the worst length. The paper looks at all queries alone; on
 *       a small budget a head that retrieves then gets a window, because the few queries that
 *       retrieve weigh nothing among the many that read on, and the answer is lost.
 *   <li>The smallest error wins. Errors up to {@value #TIE_PERCENT} % above it are a tie, which the
 *       candidate with the fewest tiles on the longest samples wins, then the first in the list.
 * </ul>
 */
public final class PatternChoice {
  private static final int TIE_PERCENT = 2;

  private final List<Candidate> candidates;
  private final List<List<Chosen>> layers;

  /**
   * One head's choice.
   *
   * @param candidate its number in the list of candidates
   * @param size its size
   * @param error mean over the samples, over all queries or the last ones, at the worst length
   * @param recall mean over the longest samples
   * @param density tiles computed / causal tiles, mean over the longest samples
   */
  public record Chosen(int candidate, int size, double error, double recall, double density) {}

  private PatternChoice(List<Candidate> candidates, List<List<Chosen>> layers) {
    this.candidates = candidates;
    this.layers = layers;
  }

  /** Means of one candidate on one head over the samples of one length. */
  private static final class Mean {
    double logSize;
    double tiles;
    double causalTiles;
    double error;
    double lastError;
    double recall;
    int samples;

    void add(HeadScore score) {
      logSize += Math.log(score.size());
      tiles += score.tiles();
      causalTiles += score.causalTiles();
      error += score.error();
      lastError += score.lastError();
      recall += score.recall();
      samples++;
    }

    double worseError() {
      return Math.max(error, lastError) / samples;
    }

    int size() {
      return (int) Math.round(Math.exp(logSize / samples));
    }
  }

  /**
   * Chooses.
   *
   * @param byLength for each length, the longest first, the scores of each of its samples
   * @throws IllegalArgumentException if a head has no candidate left, saying what the cheapest
   *     costs
   */
  public static PatternChoice of(
      List<List<List<HeadScore>>> byLength, List<Candidate> candidates, CostMatching target) {
    List<Mean[][][]> means = new ArrayList<>();
    for (List<List<HeadScore>> samples : byLength) {
      means.add(means(samples, candidates.size()));
    }
    Mean[][][] longest = means.get(0);
    List<List<Chosen>> layers = new ArrayList<>();
    for (int l = 0; l < longest.length; l++) {
      List<Chosen> heads = new ArrayList<>();
      for (int h = 0; h < longest[l].length; h++) {
        heads.add(choose(means, l, h, target));
      }
      layers.add(List.copyOf(heads));
    }
    return new PatternChoice(List.copyOf(candidates), List.copyOf(layers));
  }

  /** Sizes [L][candidate][H] that scores of the longest samples agree on. */
  public static GivenSizes sizes(List<List<HeadScore>> samples, List<Candidate> candidates) {
    Mean[][][] means = means(samples, candidates.size());
    int[][][] sizes = new int[means.length][candidates.size()][means[0].length];
    for (int l = 0; l < means.length; l++) {
      for (int h = 0; h < means[l].length; h++) {
        for (int c = 0; c < candidates.size(); c++) {
          sizes[l][c][h] = means[l][h][c].size();
        }
      }
    }
    return new GivenSizes(sizes);
  }

  private static Mean[][][] means(List<List<HeadScore>> samples, int candidates) {
    List<HeadScore> all = samples.stream().flatMap(List::stream).toList();
    int layers = 1 + all.stream().mapToInt(HeadScore::layer).max().orElseThrow();
    int heads = 1 + all.stream().mapToInt(HeadScore::head).max().orElseThrow();
    Mean[][][] means = new Mean[layers][heads][candidates];
    for (Mean[][] layer : means) {
      for (Mean[] head : layer) {
        Arrays.setAll(head, c -> new Mean());
      }
    }
    all.forEach(score -> means[score.layer()][score.head()][score.candidate()].add(score));
    return means;
  }

  private static Chosen choose(List<Mean[][][]> means, int l, int h, CostMatching target) {
    Mean[] longest = means.get(0)[l][h];
    double limit = target.density() * (1 + target.tolerance());
    double[] errors = new double[longest.length];
    double least = Double.POSITIVE_INFINITY;
    for (int c = 0; c < errors.length; c++) {
      boolean tooDear = longest[c].tiles > limit * longest[c].causalTiles;
      for (Mean[][][] length : means) {
        Mean mean = length[l][h][c];
        errors[c] = Math.max(errors[c], mean.worseError());
      }
      errors[c] = tooDear ? Double.POSITIVE_INFINITY : errors[c];
      least = Math.min(least, errors[c]);
    }
    if (least == Double.POSITIVE_INFINITY) {
      double cheapest =
          Arrays.stream(longest).mapToDouble(mean -> mean.tiles / mean.causalTiles).min().orElse(1);
      throw new IllegalArgumentException(
          "Cannot find patterns of density %.4f: on layer %d, head %d no candidate computes less than %.4f of the tiles; give a larger --density or --target-flops, or longer samples"
              .formatted(target.density(), l, h, cheapest));
    }
    int best = -1;
    for (int c = 0; c < errors.length; c++) {
      boolean tied = errors[c] <= least * (1 + TIE_PERCENT / 100.0);
      if (tied && (best < 0 || longest[c].tiles < longest[best].tiles)) {
        best = c;
      }
    }
    Mean mean = longest[best];
    return new Chosen(
        best, mean.size(), errors[best], mean.recall / mean.samples, mean.tiles / mean.causalTiles);
  }

  /** The choice of each head of a layer. */
  public List<Chosen> layer(int layer) {
    return layers.get(layer);
  }

  /** L. */
  public int layers() {
    return layers.size();
  }

  /** The table for {@code --patterns}; an entry's score is its error. */
  public PatternTable table() {
    List<List<PatternTable.Entry>> entries = new ArrayList<>();
    for (List<Chosen> layer : layers) {
      entries.add(
          layer.stream()
              .map(head -> candidates.get(head.candidate()).entry(head.size(), head.error()))
              .toList());
    }
    return PatternTable.of(entries);
  }
}
