package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.attention.TileIndex;

/** An index as the attention walks it: lists in device memory, for one group of heads at a time. */
interface DeviceLists extends AttentionIndex {
  /** The attention that it belongs to. */
  AttentionShape shape();

  /** First query tile that is computed. */
  int firstTile();

  /** Query tiles that are computed, for each head. */
  default int queryTiles() {
    return TileIndex.tiles(shape().tokens()) - firstTile();
  }

  /** Groups of heads that are attended one after the other. */
  int groups();

  /**
   * The lists of a group, for work that is enqueued before another group's are asked for: they may
   * take the same memory.
   */
  Lists lists(int group);

  /** Says that the attention over it is enqueued. */
  void attended();

  /**
   * Addresses.
   *
   * @param heads heads of the group
   * @param rows [heads][queryTiles]: first run, runs, first column, columns
   * @param runs first key and tiles of each run
   * @param columns key of each column
   * @param headList [heads]: query heads
   */
  record Lists(int heads, long rows, long runs, long columns, long headList) {}
}
