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
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;

/** The CUDA backend in its contract tests. */
final class CudaUnderTest implements BackendUnderTest {
  private final CudaBackend backend;

  CudaUnderTest() {
    this(new CudaBackend(2));
  }

  private CudaUnderTest(CudaBackend backend) {
    this.backend = backend;
  }

  /** A backend whose memory is full of NaN when it is handed out. */
  static CudaUnderTest poisoned() {
    return new CudaUnderTest(CudaBackend.poisoned(2));
  }

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
    return new UploadedLists(tiles, backend.memory());
  }

  @Override
  public LineSelection lines(
      HeadPattern.Lines pattern, int head, AttentionShape shape, Tensor q, Tensor k) {
    try (CudaIndex index = indexOf(pattern, head, shape, 0, q, k)) {
      return ReadIndex.lines(index.plan(), index.memory(), head);
    }
  }

  @Override
  public int[][] blocks(
      HeadPattern.BlockSparse pattern,
      int head,
      AttentionShape shape,
      int firstTile,
      Tensor q,
      Tensor k) {
    try (CudaIndex index = indexOf(pattern, head, shape, firstTile, q, k)) {
      TileIndex tiles = ReadIndex.tiles(index);
      int[][] chosen = new int[tiles.queryTiles()][];
      for (int m = firstTile; m < firstTile + chosen.length; m++) {
        IntStream.Builder keys = IntStream.builder();
        for (int run = tiles.runsBegin(head, m); run < tiles.runsEnd(head, m); run++) {
          for (int i = 0; i < tiles.runTiles(run); i++) {
            keys.add(tiles.runStart(run) / TileIndex.TILE + i);
          }
        }
        chosen[m - firstTile] = keys.build().toArray();
      }
      return chosen;
    }
  }

  /** An index of one head with a pattern among dense ones. */
  private CudaIndex indexOf(
      HeadPattern pattern, int head, AttentionShape shape, int firstTile, Tensor q, Tensor k) {
    List<HeadPattern> patterns =
        new ArrayList<>(Collections.nCopies(shape.heads(), new HeadPattern.Dense()));
    patterns.set(head, pattern);
    return backend.index(patterns, shape, false, firstTile, q, k, IndexPlan.LIST_BYTES);
  }

  @Override
  public void close() {
    backend.close();
  }
}
