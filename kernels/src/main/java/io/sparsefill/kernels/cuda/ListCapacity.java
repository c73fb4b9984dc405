package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;

/**
 * The most runs and columns that one head's query tiles can have: lists on the device have a fixed
 * place for each query tile, so that nobody needs to count before they are written. Kernels compute
 * the same places ({@code tiles.cu}).
 *
 * @param runs of any query tile; query tile m has at most m + 2 besides, as runs do not touch
 * @param columns of any query tile; query tile m has at most 64 * (m + 1) besides
 */
record ListCapacity(int runs, int columns) {
  /** The capacity of a head's pattern, or of the dense index if that takes its place. */
  static ListCapacity of(HeadPattern pattern, AttentionShape shape) {
    if (pattern instanceof HeadPattern.AShape || pattern instanceof HeadPattern.TriShape) {
      return new ListCapacity(2, 0);
    }
    if (pattern instanceof HeadPattern.Dilated window) {
      return new ListCapacity(2, Math.min(window.dilated(), shape.tokens()) / 2 + 1);
    }
    if (pattern instanceof HeadPattern.BlockSparse blocks) {
      return new ListCapacity(Math.min(blocks.topTiles(), visibleTiles(shape)), 0);
    }
    if (pattern instanceof HeadPattern.Lines lines) {
      int slashes = LineSelection.distanceCount(lines, shape.tokens());
      int verticals = LineSelection.verticalCount(lines, shape.tokens());
      // A query tile in a sliding window sees window + 63 keys; runs may begin 63 before them.
      int keys = shape.window() == 0 ? shape.tokens() : Math.addExact(shape.window(), TILE - 1);
      return new ListCapacity(
          Math.min(slashes, visibleTiles(shape) + 1), Math.min(verticals, keys));
    }
    return new ListCapacity(1, 0);
  }

  /** Aligned key tiles that some query tile sees. */
  private static int visibleTiles(AttentionShape shape) {
    int all = TileIndex.tiles(shape.tokens());
    return shape.window() == 0
        ? all
        : (int) Math.min(all, ((long) shape.window() + TILE - 2) / TILE + 1);
  }

  /** Places of runs of the query tiles from {@code from} to before {@code to}. */
  long runs(int from, int to) {
    return sum(runs, 1, 2, from, to);
  }

  /** Places of columns of the query tiles from {@code from} to before {@code to}. */
  long columns(int from, int to) {
    return sum(columns, TILE, 1, from, to);
  }

  /** The sum of min(limit, step * (m + offset)) over m from {@code from} to before {@code to}. */
  private static long sum(int limit, int step, int offset, int from, int to) {
    long full = ((long) limit + step - 1) / step - offset; // from here on the limit counts
    long middle = Math.max(from, Math.min(to, full));
    long rising = (middle - from) * (from + middle - 1 + 2L * offset) / 2 * step;
    return rising + (to - middle) * limit;
  }
}
