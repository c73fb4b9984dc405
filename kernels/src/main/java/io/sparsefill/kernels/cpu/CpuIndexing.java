package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.attention.HeadTiles;
import io.sparsefill.kernels.attention.IndexBuilders;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.PatternCost;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;

/**
 * Builds a layer's {@link TileIndex} on the CPU: estimate, selection and tiles of each head, heads
 * over threads.
 */
final class CpuIndexing {
  private final Workers workers;
  private final AttentionShape shape;
  private final CpuEstimate estimate;

  CpuIndexing(Workers workers, AttentionShape shape, CpuEstimate estimate) {
    this.workers = workers;
    this.shape = shape;
    this.estimate = estimate;
  }

  TileIndex build(List<HeadPattern> patterns, boolean dispatch, int firstTile) {
    if (patterns.size() != shape.heads()) {
      throw new IllegalArgumentException(
          "%d patterns for %d heads".formatted(patterns.size(), shape.heads()));
    }
    HeadTiles[] heads = new HeadTiles[shape.heads()];
    workers.forEach(
        heads.length,
        thread -> null,
        (head, none) -> heads[head] = head(head, patterns.get(head), dispatch, firstTile));
    return TileIndex.of(shape, firstTile, Arrays.asList(heads));
  }

  /**
   * One head's tiles. Whether it runs densely is decided as if every query tile were wanted: a
   * document's numbers must not depend on which of its rows are read.
   */
  private HeadTiles head(int head, HeadPattern pattern, boolean dispatch, int firstTile) {
    PatternCost cost = new PatternCost(shape, 0);
    if (dispatch && cost.atBest(pattern) >= cost.dense()) {
      return IndexBuilders.dense(shape, firstTile);
    }
    if (pattern instanceof HeadPattern.BlockSparse blocks) {
      // Its cost was no guess, and the mean queries of tiles that are not wanted are not there.
      return IndexBuilders.blocks(
          shape, firstTile, estimate.blocks(head, firstTile, blocks.topTiles()));
    }
    IntFunction<HeadTiles> from = builder(head, pattern);
    HeadTiles tiles = from.apply(firstTile);
    if (dispatch) {
      HeadTiles all = firstTile == 0 ? tiles : from.apply(0);
      if (all.computedTiles() >= cost.dense()) {
        return IndexBuilders.dense(shape, firstTile);
      }
    }
    return tiles;
  }

  /** Builds a head's tiles from a given query tile on, as often as it is asked to. */
  private IntFunction<HeadTiles> builder(int head, HeadPattern pattern) {
    if (pattern instanceof HeadPattern.AShape aShape) {
      return firstTile -> IndexBuilders.aShape(shape, firstTile, aShape);
    }
    if (pattern instanceof HeadPattern.VerticalSlash lines) {
      CpuEstimate.Lines scores = estimate.lines(head);
      LineSelection chosen = LineSelection.of(lines, scores.vertical(), scores.slash());
      return firstTile ->
          IndexBuilders.verticalSlash(shape, firstTile, chosen.verticals(), chosen.distances());
    }
    return firstTile -> IndexBuilders.dense(shape, firstTile);
  }
}
