package io.sparsefill.job.search;

import io.sparsefill.job.run.UsageException;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.attention.EstimateCost;
import io.sparsefill.kernels.attention.PatternCost;
import io.sparsefill.kernels.attention.TileIndex;
import io.sparsefill.udf.search.CostMatching;
import java.util.Locale;

/**
 * How much a head may compute. With neither number it is what the paper's baseline costs, A-shape
 * 1024:4096 (arXiv 2407.02490, appendix C.2), on the longest samples.
 *
 * @param density share of the causal tiles, or null
 * @param flops floating-point operations of one head's attention on the longest samples, q k^T and
 *     the product with v, or null
 */
public record SearchTarget(Double density, Double flops) {
  private static final HeadPattern.AShape BASELINE = new HeadPattern.AShape(1024, 4096);

  /**
   * Checks that one of the two is given at most.
   *
   * @throws UsageException otherwise
   */
  public SearchTarget {
    if (density != null && flops != null) {
      throw new UsageException(
          "Cannot search with both --density and --target-flops: each is the target; give one");
    }
  }

  /**
   * The share of the causal tiles that is aimed at.
   *
   * @param longest attention over the longest samples
   * @throws UsageException if that is nothing, or everything
   */
  public double density(AttentionShape longest) {
    long causal = CostMatching.causalTiles(longest);
    String given;
    double share;
    if (density != null) {
      given = "--density " + density;
      share = density;
    } else if (flops != null) {
      given = "--target-flops " + flops;
      share = flops / flopsOfTile(longest) / causal;
    } else {
      given = "the default target, the cost of a-shape:1024:4096";
      share =
          (double) new PatternCost(longest, 0, new EstimateCost(0, 0)).atBest(BASELINE) / causal;
    }
    if (!(share > 0 && share < 1)) {
      throw new UsageException(
          String.format(
              Locale.ROOT,
              "Cannot search with %s: at %,d tokens that is %.4g of the causal tiles (%.4g operations), and it must be above 0 and below 1; give --density or --target-flops%s",
              given,
              longest.tokens(),
              share,
              share * causal * flopsOfTile(longest),
              density == null && flops == null ? ", or longer samples" : ""));
    }
    return share;
  }

  private static double flopsOfTile(AttentionShape shape) {
    return 4.0 * TileIndex.TILE * TileIndex.TILE * shape.headDim();
  }
}
