package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.Workers;
import io.sparsefill.kernels.attention.EstimateCost;
import io.sparsefill.kernels.attention.HeadIndexing;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.List;

/**
 * Builds a layer's {@link TileIndex} on the CPU: estimate, selection and tiles of each head, heads
 * over threads.
 */
final class CpuIndexing {
  private final Workers workers;
  private final AttentionShape shape;
  private final CpuEstimate estimate;
  private final CpuRetrieval retrieval;

  CpuIndexing(Workers workers, AttentionShape shape, CpuEstimate estimate, CpuRetrieval retrieval) {
    this.workers = workers;
    this.shape = shape;
    this.estimate = estimate;
    this.retrieval = retrieval;
  }

  /** The index over packed keys. */
  CpuIndex build(List<HeadPattern> patterns, boolean dispatch, int firstTile, PackedKv kv) {
    HeadIndexing heads = new HeadIndexing(shape, patterns, dispatch, firstTile, EstimateCost.CPU);
    TileIndex tiles = heads.build(workers, head -> new HeadEstimate(head, firstTile));
    int[] kept = patterns.stream().mapToInt(pattern -> kept(heads, pattern)).toArray();
    return new CpuIndex(tiles, kept, kv, heads.lines());
  }

  private static int kept(HeadIndexing heads, HeadPattern pattern) {
    boolean chooses = pattern instanceof HeadPattern.TopKeys && !heads.isDense(pattern);
    return chooses ? ((HeadPattern.TopKeys) pattern).keys() : Integer.MAX_VALUE;
  }

  private final class HeadEstimate implements HeadIndexing.Estimate {
    private final int head;
    private final int firstTile;

    HeadEstimate(int head, int firstTile) {
      this.head = head;
      this.firstTile = firstTile;
    }

    @Override
    public LineSelection lines(HeadPattern.Lines pattern) {
      if (pattern instanceof HeadPattern.ChosenLines chosen) {
        CpuEstimate.Lines means = estimate.lines(head, chosen.choice());
        return LineSelection.of(chosen, means.vertical(), means.slash());
      }
      CpuEstimate.Lines scores = estimate.lines(head);
      return LineSelection.of(pattern, scores.vertical(), scores.slash());
    }

    @Override
    public int[][] blocks(HeadPattern.BlockSparse pattern) {
      return estimate.blocks(head, firstTile, pattern.topTiles());
    }

    @Override
    public int[][] retrieved(HeadPattern.Retrieved pattern, int from) {
      return retrieval.choose(head, from, pattern);
    }
  }
}
