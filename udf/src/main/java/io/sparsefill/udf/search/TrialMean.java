package io.sparsefill.udf.search;

import java.util.Arrays;
import java.util.List;

/** What one trial is worth on one head: means over the samples of one length. */
final class TrialMean {
  private double logSize;
  private double tiles;
  private double causalTiles;
  private double error;
  private double lastError;
  private double recall;
  private double layerError;
  private int samples;

  private void add(HeadScore score) {
    logSize += Math.log(score.size());
    tiles += score.tiles();
    causalTiles += score.causalTiles();
    error += score.error();
    lastError += score.lastError();
    recall += score.recall();
    layerError += score.layerError();
    samples++;
  }

  /** Means [L][H][trial] of some samples. */
  static TrialMean[][][] of(List<List<HeadScore>> samples, int trials) {
    List<HeadScore> all = samples.stream().flatMap(List::stream).toList();
    int layers = 1 + all.stream().mapToInt(HeadScore::layer).max().orElseThrow();
    int heads = 1 + all.stream().mapToInt(HeadScore::head).max().orElseThrow();
    TrialMean[][][] means = new TrialMean[layers][heads][trials];
    for (TrialMean[][] layer : means) {
      for (TrialMean[] head : layer) {
        Arrays.setAll(head, trial -> new TrialMean());
      }
    }
    all.forEach(score -> means[score.layer()][score.head()][score.trial()].add(score));
    return means;
  }

  /** Over all queries or over the last, whichever is larger. */
  double error() {
    return Math.max(error, lastError) / samples;
  }

  /** See {@link HeadScore#layerError}. */
  double layerError() {
    return layerError / samples;
  }

  /** The geometric mean. */
  int size() {
    return (int) Math.round(Math.exp(logSize / samples));
  }

  /** Tiles computed / causal tiles. */
  double density() {
    return tiles / causalTiles;
  }

  double recall() {
    return recall / samples;
  }
}
