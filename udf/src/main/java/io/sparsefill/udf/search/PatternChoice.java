package io.sparsefill.udf.search;

import io.sparsefill.kernels.attention.PatternTable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * From the scores of all samples to one pattern for each head.
 *
 * <ul>
 *   <li>A candidate's size is the geometric mean of its sizes on the longest samples.
 *   <li>A trial's error is the mean over the samples of a length: over all queries or over the last
 *       64, whichever is larger, at the worst length. The paper looks at all queries alone; on a
 *       small budget a head that retrieves then gets a window, because the few queries that
 *       retrieve weigh nothing among the many that read on, and the answer is lost.
 *   <li>Where every head computes as much, the smallest error wins. Errors up to {@value
 *       #TIE_PERCENT} % above it are a tie, which the candidate with the fewest tiles on the
 *       longest samples wins, then the first in the list. Out of the race is a candidate that, on
 *       average over those, computes more tiles than the target and its tolerance: its smallest
 *       member is too dear.
 *   <li>Where heads share a budget, {@link TileSharing} gives tiles to those that make most of
 *       them; the mean over heads is at most the target. What it makes small is the sum over layers
 *       of the squared error of the layer's output, all heads side by side, relative to that
 *       output, over all queries and over the last 64. A sum of the heads' own relative errors
 *       takes tiles from the few heads whose output is large, and loses answers by that.
 * </ul>
 */
public final class PatternChoice {
  private static final int TIE_PERCENT = 2;

  private final List<List<Chosen>> layers;

  /**
   * One head's choice.
   *
   * @param trial which candidate at which level
   * @param size its size
   * @param error mean over the samples, over all queries or the last ones, at the worst length
   * @param layerError the head's part of the squared error of its layer's output, relative to that
   *     output, all queries and the last ones added up, mean over the samples, at the worst length
   * @param recall mean over the longest samples
   * @param density tiles computed / causal tiles, mean over the longest samples
   */
  public record Chosen(
      Trial trial, int size, double error, double layerError, double recall, double density) {}

  private PatternChoice(List<List<Chosen>> layers) {
    this.layers = layers;
  }

  /**
   * Chooses.
   *
   * @param byLength for each length, the longest first, the scores of each of its samples
   * @param trials what the scores number
   * @throws IllegalArgumentException if there are too few tiles, saying what the cheapest costs
   */
  public static PatternChoice of(
      List<List<List<HeadScore>>> byLength, List<Trial> trials, Budget budget) {
    List<TrialMean[][][]> means = new ArrayList<>();
    for (List<List<HeadScore>> samples : byLength) {
      means.add(TrialMean.of(samples, trials.size()));
    }
    List<List<Chosen>> heads = new ArrayList<>(); // of all layers, one after the other
    TrialMean[][][] longest = means.get(0);
    for (int l = 0; l < longest.length; l++) {
      for (int h = 0; h < longest[l].length; h++) {
        heads.add(offers(means, l, h, trials));
      }
    }
    List<Chosen> chosen =
        budget.shared() ? share(heads, budget) : best(heads, longest[0].length, budget);
    List<List<Chosen>> layers = new ArrayList<>();
    for (int l = 0, from = 0; l < longest.length; from += longest[l].length, l++) {
      layers.add(List.copyOf(chosen.subList(from, from + longest[l].length)));
    }
    return new PatternChoice(List.copyOf(layers));
  }

  /** Sizes [L][trial][H] that scores of the longest samples agree on. */
  public static GivenSizes sizes(List<List<HeadScore>> samples, List<Trial> trials) {
    TrialMean[][][] means = TrialMean.of(samples, trials.size());
    int[][][] sizes = new int[means.length][trials.size()][means[0].length];
    for (int l = 0; l < means.length; l++) {
      for (int h = 0; h < means[l].length; h++) {
        for (int t = 0; t < trials.size(); t++) {
          sizes[l][t][h] = means[l][h][t].size();
        }
      }
    }
    return new GivenSizes(sizes);
  }

  /** What each trial would be on a head. */
  private static List<Chosen> offers(
      List<TrialMean[][][]> means, int l, int h, List<Trial> trials) {
    List<Chosen> offers = new ArrayList<>();
    for (int t = 0; t < trials.size(); t++) {
      double error = 0;
      double layerError = 0;
      for (TrialMean[][][] length : means) {
        error = Math.max(error, length[l][h][t].error());
        layerError = Math.max(layerError, length[l][h][t].layerError());
      }
      TrialMean longest = means.get(0)[l][h][t];
      offers.add(
          new Chosen(
              trials.get(t),
              longest.size(),
              error,
              layerError,
              longest.recall(),
              longest.density()));
    }
    return offers;
  }

  private static List<Chosen> share(List<List<Chosen>> heads, Budget budget) {
    List<List<TileSharing.Offer>> offers = new ArrayList<>();
    for (List<Chosen> head : heads) {
      offers.add(
          head.stream()
              .map(trial -> new TileSharing.Offer(trial.density(), trial.layerError()))
              .toList());
    }
    double least = TileSharing.least(offers) / heads.size();
    if (least > budget.density()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "Cannot find patterns of density %.4f: the cheapest candidates of all heads compute %.4f of the tiles; give a larger --density or --target-flops, or longer samples",
              budget.density(),
              least));
    }
    int[] taken = TileSharing.of(offers, budget.density() * heads.size());
    List<Chosen> chosen = new ArrayList<>();
    for (int i = 0; i < taken.length; i++) {
      chosen.add(heads.get(i).get(taken[i]));
    }
    return chosen;
  }

  private static List<Chosen> best(List<List<Chosen>> heads, int headsOfLayer, Budget budget) {
    double limit = budget.density() * (1 + budget.tolerance());
    List<Chosen> chosen = new ArrayList<>();
    for (List<Chosen> offers : heads) {
      List<Chosen> race = offers.stream().filter(offer -> offer.density() <= limit).toList();
      if (race.isEmpty()) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "Cannot find patterns of density %.4f: on layer %d, head %d no candidate computes less than %.4f of the tiles; give a larger --density or --target-flops, or longer samples",
                budget.density(),
                chosen.size() / headsOfLayer,
                chosen.size() % headsOfLayer,
                offers.stream().mapToDouble(Chosen::density).min().orElseThrow()));
      }
      chosen.add(best(race));
    }
    return chosen;
  }

  private static Chosen best(List<Chosen> race) {
    double least = race.stream().mapToDouble(Chosen::error).min().orElseThrow();
    Chosen best = null;
    for (Chosen offer : race) {
      boolean tied = offer.error() <= least * (1 + TIE_PERCENT / 100.0);
      if (tied && (best == null || offer.density() < best.density())) {
        best = offer;
      }
    }
    return best;
  }

  /** The choice of each head of a layer. */
  public List<Chosen> layer(int layer) {
    return layers.get(layer);
  }

  /** Squared error of a layer's output, see {@link Chosen#layerError}; mean over layers. */
  public double layerError() {
    return layers.stream().flatMap(List::stream).mapToDouble(Chosen::layerError).sum()
        / layers.size();
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
              .map(head -> head.trial().candidate().entry(head.size(), head.error()))
              .toList());
    }
    return PatternTable.of(entries);
  }
}
