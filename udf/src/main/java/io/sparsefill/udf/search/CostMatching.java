package io.sparsefill.udf.search;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.attention.EstimateCost;
import io.sparsefill.kernels.attention.PatternCost;
import io.sparsefill.kernels.attention.TileIndex;
import io.sparsefill.udf.ObservedLayer;
import java.util.ArrayList;
import java.util.List;

/**
 * Sizes a candidate so that each head computes as many tiles as asked for ("ChangeSpace" of arXiv
 * 2407.02490, algorithm 1, there in FLOPs; MInference's code leaves it out). What a size costs is
 * read from the index that the backend builds for it from the head's own queries and keys; all
 * heads of a layer are sized together.
 *
 * @param tolerance how far a cost may be from a trial's, as a share of it. A step of one tile in
 *     every query tile may be larger; then the largest size below is taken
 */
public record CostMatching(double tolerance) implements Sizes {
  /** What a head runs while others still search: next to nothing to build. */
  private static final HeadPattern IDLE = new HeadPattern.AShape(1, 1);

  private static final EstimateCost FREE = new EstimateCost(0, 0);

  /** Lines that hide each other cost less than their number says; hardly less than this part. */
  private static final int HIDDEN = 4;

  /** Checks the number. */
  public CostMatching {
    if (!(tolerance > 0 && tolerance < 1)) {
      throw new IllegalArgumentException(
          "Cannot search with a tolerance of %s: it must be above 0 and below 1"
              .formatted(tolerance));
    }
  }

  /** Tiles of one head's dense causal attention. */
  public static long causalTiles(AttentionShape shape) {
    return TileIndex.causalTiles(shape, 0) / shape.heads();
  }

  /** Density of the cheapest member of all candidates, if none of its lines hide each other. */
  public static double cheapest(AttentionShape shape, List<Candidate> candidates) {
    PatternCost costs = new PatternCost(shape, 0, FREE);
    long least = Long.MAX_VALUE;
    for (Candidate candidate : candidates) {
      least = Math.min(least, costs.atBest(candidate.at(candidate.least())));
    }
    return (double) least / causalTiles(shape);
  }

  @Override
  public int[] of(ObservedLayer layer, Trial trial, int number) {
    Candidate candidate = trial.candidate();
    AttentionShape shape = layer.shape();
    double target = trial.density() * causalTiles(shape);
    int guess = sizeOfCost(shape, candidate, target);
    int most = largestSize(shape, trial);
    SizeSearch[] heads = new SizeSearch[shape.heads()];
    for (int head = 0; head < heads.length; head++) {
      heads[head] = new SizeSearch(candidate.least(), most, guess, target, tolerance);
    }
    while (true) {
      List<HeadPattern> patterns = new ArrayList<>();
      boolean all = true;
      for (SizeSearch head : heads) {
        patterns.add(head.done() ? IDLE : candidate.at(head.next()));
        all &= head.done();
      }
      if (all) {
        break;
      }
      long[] tiles = layer.tiles(patterns);
      for (int head = 0; head < heads.length; head++) {
        if (!heads[head].done()) {
          heads[head].measured(tiles[head]);
        }
      }
    }
    int[] sizes = new int[heads.length];
    for (int head = 0; head < heads.length; head++) {
      sizes[head] = heads[head].size();
    }
    return sizes;
  }

  @Override
  public HeadPattern largest(AttentionShape shape, Trial trial, int number) {
    return trial.candidate().at(largestSize(shape, trial));
  }

  private int largestSize(AttentionShape shape, Trial trial) {
    return sizeOfCost(shape, trial.candidate(), HIDDEN * trial.density() * causalTiles(shape));
  }

  /** The size that costs so much if no line hides another; at most one that is dense. */
  private static int sizeOfCost(AttentionShape shape, Candidate candidate, double cost) {
    PatternCost costs = new PatternCost(shape, 0, FREE);
    int low = candidate.least();
    int high = Math.max(low, candidate.most(shape.tokens()));
    while (low < high) {
      int middle = low + (high - low) / 2;
      if (costs.atBest(candidate.at(middle)) >= cost) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return high;
  }
}
