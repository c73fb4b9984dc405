package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.Workers;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;

/** The CPU backend in its contract tests. */
public final class CpuUnderTest implements BackendUnderTest {
  private static final TileMath MATH = TileMath.choose();

  private final CpuBackend backend;

  /**
   * A backend of its own.
   *
   * @param threads CPU threads
   */
  public CpuUnderTest(int threads) {
    backend = new CpuBackend(threads);
  }

  @Override
  public Backend backend() {
    return backend;
  }

  @Override
  public double tolerance() {
    return 5e-6;
  }

  @Override
  public AttentionIndex index(TileIndex tiles, Tensor k) {
    return backend.index(tiles, k);
  }

  @Override
  public LineSelection lines(
      HeadPattern.Lines pattern, int head, AttentionShape shape, Tensor q, Tensor k) {
    CpuEstimate.Lines scores = estimate(shape, q, k).lines(head);
    return LineSelection.of(pattern, scores.vertical(), scores.slash());
  }

  @Override
  public int[][] blocks(
      HeadPattern.BlockSparse pattern,
      int head,
      AttentionShape shape,
      int firstTile,
      Tensor q,
      Tensor k) {
    return estimate(shape, q, k).blocks(head, firstTile, pattern.topTiles());
  }

  private CpuEstimate estimate(AttentionShape shape, Tensor q, Tensor k) {
    PackedKv kv = new PackedKv(shape, MATH.widthStep());
    try (Workers one = new Workers(1)) {
      kv.packKeys(one, shape, CpuTensor.of(k));
    }
    return new CpuEstimate(MATH, shape, kv, CpuTensor.of(q));
  }

  @Override
  public void close() {
    backend.close();
  }
}
