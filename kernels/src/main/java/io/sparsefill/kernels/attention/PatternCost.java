package io.sparsefill.kernels.attention;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;

/**
 * Predicted cost of one head's attention in score tiles, for the choice between sparse and dense:
 * on short documents the lines of a pattern and its estimate cost more than all causal tiles.
 */
public final class PatternCost {
  /** Queries at the document's end that the lines of vertical-slash are estimated from. */
  private static final int ESTIMATE_QUERIES = 64;

  private final AttentionShape shape;
  private final int firstTile;
  private final EstimateCost estimate;
  private final int tiles;

  /** The cost for the query tiles from {@code firstTile} on, by a given backend. */
  public PatternCost(AttentionShape shape, int firstTile, EstimateCost estimate) {
    this.estimate = estimate;
    this.shape = shape;
    this.firstTile = firstTile;
    this.tiles = TileIndex.tiles(shape.tokens());
  }

  /** Tiles of dense causal attention, or of the sliding window. */
  public long dense() {
    return rows(0, tiles);
  }

  /**
   * What a pattern costs, estimate included, when its lines lie beside each other. Of windows and
   * block-sparse that is the least they can cost. Lines of vertical-slash can cost less when many
   * of them are hidden by causality or by each other; where the documents are short enough for that
   * to matter, the estimate would not pay.
   */
  public long atBest(HeadPattern pattern) {
    if (pattern instanceof HeadPattern.AShape aShape) {
      return rows(TileIndex.tiles(aShape.initial()), TileIndex.tiles(aShape.local()));
    }
    if (pattern instanceof HeadPattern.TriShape triShape) {
      return rows(TileIndex.tiles(triShape.initial()), TileIndex.tiles(triShape.local()));
    }
    if (pattern instanceof HeadPattern.Retrieved retrieved) {
      return rows(TileIndex.tiles(retrieved.initial()), TileIndex.tiles(retrieved.local()));
    }
    if (pattern instanceof HeadPattern.Dilated window) {
      // Its columns come on top, as far as first tiles and window leave room.
      int local = Math.max(1, TileIndex.tiles(window.local()));
      return rows(TileIndex.tiles(window.initial()), local);
    }
    if (pattern instanceof HeadPattern.Lines lines) {
      int verticals = LineSelection.verticalCount(lines, shape.tokens());
      int slashes = LineSelection.slashCount(lines, shape.tokens());
      // In a sliding window no column stays in sight.
      int columns = shape.window() == 0 ? TileIndex.tiles(verticals) : 0;
      long estimated = lines instanceof HeadPattern.GivenLines ? 0 : estimate();
      if (lines instanceof HeadPattern.ChosenLines chosen) {
        // A row of probes sees half of the keys.
        estimated += estimate.rows() * tiles * chosen.choice().probes() / (2 * TILE);
      }
      return estimated + rows(0, columns + TileIndex.tiles(slashes));
    }
    if (pattern instanceof HeadPattern.BlockSparse blocks) {
      return rows(0, blocks.topTiles());
    }
    return dense();
  }

  /** What the estimate of vertical-slash costs. */
  long estimate() {
    int firstQuery = Math.max(0, shape.tokens() - ESTIMATE_QUERIES);
    return estimate.tiles() + estimate.rows() * (tiles - shape.firstKey(firstQuery) / TILE);
  }

  /**
   * Tiles when each query tile computes {@code sinks} tiles at the document's begin and {@code
   * others} elsewhere, or all that it sees if those are fewer.
   */
  private long rows(int sinks, int others) {
    long count = 0;
    for (int m = firstTile; m < tiles; m++) {
      int first = shape.firstKey(m * TILE) / TILE;
      count += Math.min(m + 1 - first, others + Math.max(0, sinks - first));
    }
    return count;
  }
}
