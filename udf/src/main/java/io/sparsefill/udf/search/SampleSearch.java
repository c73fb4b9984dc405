package io.sparsefill.udf.search;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.udf.HeadFidelity;
import io.sparsefill.udf.LayerObserver;
import io.sparsefill.udf.ObservedLayer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Tries all trials on all heads of all layers, on one sample: the exact attention of a layer is
 * computed once for all of them, and each trial takes one attention over all heads, each head with
 * its own size. Patterns compute what they say, also where a run would rather be dense.
 */
public final class SampleSearch implements LayerObserver {
  private final List<Trial> trials;
  private final Sizes sizes;
  private final List<HeadScore> scores = new ArrayList<>();

  /**
   * For one sample.
   *
   * @param sizes gives each trial its size
   */
  public SampleSearch(List<Trial> trials, Sizes sizes) {
    this.trials = List.copyOf(trials);
    this.sizes = sizes;
  }

  @Override
  public List<List<HeadPattern>> largest(AttentionShape shape) {
    List<List<HeadPattern>> largest = new ArrayList<>();
    for (int t = 0; t < trials.size(); t++) {
      HeadPattern pattern = sizes.largest(shape, trials.get(t), t);
      largest.add(Collections.nCopies(shape.heads(), pattern));
    }
    return largest;
  }

  @Override
  public void layer(ObservedLayer layer) throws InterruptedException {
    for (int t = 0; t < trials.size(); t++) {
      if (Thread.interrupted()) {
        throw new InterruptedException(
            "The search was interrupted at layer %d, candidate %s"
                .formatted(layer.number(), trials.get(t).candidate().name()));
      }
      int[] size = sizes.of(layer, trials.get(t), t);
      List<HeadPattern> patterns = new ArrayList<>();
      for (int head = 0; head < size.length; head++) {
        patterns.add(trials.get(t).candidate().at(size[head]));
      }
      List<HeadFidelity> found = layer.fidelity(patterns, false);
      long causal = CostMatching.causalTiles(layer.shape());
      for (int head = 0; head < size.length; head++) {
        HeadFidelity one = found.get(head);
        scores.add(
            new HeadScore(
                layer.number(),
                head,
                t,
                size[head],
                one.tiles(),
                causal,
                one.error(),
                one.lastError(),
                one.recall(),
                one.share(),
                one.lastShare()));
      }
    }
  }

  /** What was found: layers in order, in each the trials in order, in each the heads. */
  public List<HeadScore> scores() {
    return List.copyOf(scores);
  }
}
