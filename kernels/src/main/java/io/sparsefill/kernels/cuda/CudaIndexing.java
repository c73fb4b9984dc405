package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.Workers;
import io.sparsefill.kernels.attention.HeadIndexing;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Builds a layer's {@link TileIndex}: estimates of all heads on the device first, then selection
 * and tiles of each head on the host, heads over threads.
 */
final class CudaIndexing {
  private final Workers workers;
  private final AttentionShape shape;
  private final CudaEstimate estimate;

  CudaIndexing(Workers workers, AttentionShape shape, CudaEstimate estimate) {
    this.workers = workers;
    this.shape = shape;
    this.estimate = estimate;
  }

  TileIndex build(List<HeadPattern> patterns, boolean dispatch, int firstTile) {
    HeadIndexing indexing = new HeadIndexing(shape, patterns, dispatch, firstTile);
    Map<Integer, LineSelection> lines = lines(patterns, indexing);
    Map<Integer, int[][]> blocks = blocks(patterns, indexing, firstTile);
    return indexing.build(workers, head -> new Estimated(lines.get(head), blocks.get(head)));
  }

  private Map<Integer, LineSelection> lines(List<HeadPattern> patterns, HeadIndexing indexing) {
    List<Integer> heads = new ArrayList<>();
    List<HeadPattern.VerticalSlash> sizes = new ArrayList<>();
    for (int head = 0; head < patterns.size(); head++) {
      if (patterns.get(head) instanceof HeadPattern.VerticalSlash pattern
          && !indexing.isDense(pattern)) {
        heads.add(head);
        sizes.add(pattern);
      }
    }
    return byHead(heads, estimate.lines(heads, sizes));
  }

  private Map<Integer, int[][]> blocks(
      List<HeadPattern> patterns, HeadIndexing indexing, int firstTile) {
    List<Integer> heads = new ArrayList<>();
    List<Integer> counts = new ArrayList<>();
    for (int head = 0; head < patterns.size(); head++) {
      if (patterns.get(head) instanceof HeadPattern.BlockSparse pattern
          && !indexing.isDense(pattern)) {
        heads.add(head);
        counts.add(pattern.topTiles());
      }
    }
    return byHead(heads, estimate.blocks(heads, counts, firstTile));
  }

  private static <T> Map<Integer, T> byHead(List<Integer> heads, List<T> values) {
    Map<Integer, T> map = new HashMap<>();
    for (int i = 0; i < heads.size(); i++) {
      map.put(heads.get(i), values.get(i));
    }
    return map;
  }

  /** What the device estimated for one head; null where its pattern does not ask. */
  @SuppressWarnings("ArrayRecordComponent") // handed to the index builder, never compared
  private record Estimated(LineSelection chosen, int[][] tiles) implements HeadIndexing.Estimate {
    @Override
    public LineSelection lines(HeadPattern.VerticalSlash pattern) {
      return chosen;
    }

    @Override
    public int[][] blocks(HeadPattern.BlockSparse pattern) {
      return tiles;
    }
  }
}
