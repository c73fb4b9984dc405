package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.attention.HeadPattern;
import io.sparsefill.kernels.attention.HeadTiles;
import io.sparsefill.kernels.attention.IndexBuilders;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.PatternCost;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.Arrays;
import java.util.List;

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

  private HeadTiles head(int head, HeadPattern pattern, boolean dispatch, int firstTile) {
    PatternCost cost = new PatternCost(shape, firstTile);
    if (dispatch && cost.atBest(pattern) >= cost.dense()) {
      return IndexBuilders.dense(shape, firstTile);
    }
    HeadTiles tiles = sparse(head, pattern, firstTile);
    boolean worth = !dispatch || tiles.computedTiles() < cost.dense();
    return worth ? tiles : IndexBuilders.dense(shape, firstTile);
  }

  private HeadTiles sparse(int head, HeadPattern pattern, int firstTile) {
    if (pattern instanceof HeadPattern.AShape aShape) {
      return IndexBuilders.aShape(shape, firstTile, aShape);
    }
    if (pattern instanceof HeadPattern.VerticalSlash lines) {
      CpuEstimate.Lines scores = estimate.lines(head);
      LineSelection chosen = LineSelection.of(lines, scores.vertical(), scores.slash());
      return IndexBuilders.verticalSlash(shape, firstTile, chosen.verticals(), chosen.distances());
    }
    if (pattern instanceof HeadPattern.BlockSparse blocks) {
      return IndexBuilders.blocks(
          shape, firstTile, estimate.blocks(head, firstTile, blocks.topTiles()));
    }
    return IndexBuilders.dense(shape, firstTile);
  }
}
