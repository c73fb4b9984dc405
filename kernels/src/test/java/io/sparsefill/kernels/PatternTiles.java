package io.sparsefill.kernels;

import io.sparsefill.kernels.attention.HeadTiles;
import io.sparsefill.kernels.attention.IndexBuilders;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.ArrayList;
import java.util.List;

/** The index of patterns, from what a backend's estimate selects and the index builders. */
public final class PatternTiles {
  private PatternTiles() {}

  /**
   * The index of one layer.
   *
   * @param patterns one for each head
   * @param firstTile first query tile that is computed
   */
  public static TileIndex of(
      BackendUnderTest device,
      List<HeadPattern> patterns,
      AttentionShape shape,
      int firstTile,
      Tensor q,
      Tensor k) {
    List<HeadTiles> heads = new ArrayList<>();
    for (int head = 0; head < patterns.size(); head++) {
      if (patterns.get(head) instanceof HeadPattern.GivenLines given) {
        heads.add(
            IndexBuilders.verticalSlash(shape, firstTile, given.verticals(), given.distances()));
      } else if (patterns.get(head) instanceof HeadPattern.Lines lines) {
        LineSelection chosen = device.lines(lines, head, shape, q, k);
        heads.add(
            IndexBuilders.verticalSlash(shape, firstTile, chosen.verticals(), chosen.distances()));
      } else if (patterns.get(head) instanceof HeadPattern.BlockSparse blocks) {
        heads.add(
            IndexBuilders.blocks(
                shape, firstTile, device.blocks(blocks, head, shape, firstTile, q, k)));
      } else if (patterns.get(head) instanceof HeadPattern.AShape aShape) {
        heads.add(IndexBuilders.aShape(shape, firstTile, aShape));
      } else if (patterns.get(head) instanceof HeadPattern.TriShape triShape) {
        heads.add(IndexBuilders.triShape(shape, firstTile, triShape));
      } else if (patterns.get(head) instanceof HeadPattern.Dilated window) {
        heads.add(IndexBuilders.dilated(shape, firstTile, window));
      } else {
        heads.add(IndexBuilders.dense(shape, firstTile));
      }
    }
    return TileIndex.of(shape, firstTile, heads);
  }
}
