package io.sparsefill.kernels.cuda;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.List;

/** The CUDA backend in its contract tests. */
final class CudaUnderTest implements BackendUnderTest {
  private final CudaBackend backend = new CudaBackend(2);

  /** Skips the tests of a class where there is no device, and says why. */
  static void assumeDevice() {
    CudaBackend.unavailable()
        .ifPresent(reason -> System.out.println("Skipped, no CUDA device: " + reason));
    assumeTrue(CudaBackend.unavailable().isEmpty(), "no CUDA device");
  }

  @Override
  public Backend backend() {
    return backend;
  }

  /** A bf16 result is known to 2^-9 of itself; weights of an attention are rounded likewise. */
  @Override
  public double tolerance() {
    return 1e-2;
  }

  @Override
  public AttentionIndex index(TileIndex tiles, Tensor k) {
    return backend.index(tiles);
  }

  @Override
  public LineSelection lines(
      HeadPattern.VerticalSlash pattern, int head, AttentionShape shape, Tensor q, Tensor k) {
    return backend.estimate(shape, q, k).lines(List.of(head), List.of(pattern)).get(0);
  }

  @Override
  public int[][] blocks(
      HeadPattern.BlockSparse pattern,
      int head,
      AttentionShape shape,
      int firstTile,
      Tensor q,
      Tensor k) {
    return backend
        .estimate(shape, q, k)
        .blocks(List.of(head), List.of(pattern.topTiles()), firstTile)
        .get(0);
  }

  @Override
  public void close() {
    backend.close();
  }
}
