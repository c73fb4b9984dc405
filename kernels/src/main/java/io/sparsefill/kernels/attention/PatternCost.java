package io.sparsefill.kernels.attention;

import io.sparsefill.kernels.AttentionShape;

/**
 * Predicted cost of one head's attention in score tiles, for the choice between sparse and dense:
 * on short documents the lines of a pattern and its estimate cost more than all causal tiles.
 */
public final class PatternCost {
  /**
   * The estimate passes twice over the keys with one query tile, without values: as much as one
   * tile row.
   */
  private static final int ESTIMATE_ROWS = 1;

  private final int firstTile;
  private final int tiles;

  /** The cost for the query tiles from {@code firstTile} on. */
  public PatternCost(AttentionShape shape, int firstTile) {
    this.firstTile = firstTile;
    this.tiles = TileIndex.tiles(shape.tokens());
  }

  /** Tiles of dense causal attention. */
  public long dense() {
    return causal(tiles) - causal(firstTile);
  }

  /** The least that a pattern can cost, estimate included: all its lines lie beside each other. */
  public long atBest(HeadPattern pattern) {
    if (pattern instanceof HeadPattern.AShape aShape) {
      return rows(TileIndex.tiles(aShape.initial()) + TileIndex.tiles(aShape.local()));
    }
    if (pattern instanceof HeadPattern.VerticalSlash lines) {
      return (long) ESTIMATE_ROWS * tiles
          + rows(TileIndex.tiles(lines.slash()) + TileIndex.tiles(lines.vertical()));
    }
    if (pattern instanceof HeadPattern.BlockSparse blocks) {
      return rows(blocks.topTiles());
    }
    return dense();
  }

  /**
   * Tiles when each query tile computes {@code most}, or all its causal ones if those are fewer.
   */
  private long rows(int most) {
    int capped = Math.max(firstTile, Math.min(tiles, most));
    return causal(capped) - causal(firstTile) + (long) (tiles - capped) * most;
  }

  private static long causal(int tiles) {
    return (long) tiles * (tiles + 1) / 2;
  }
}
