package io.sparsefill.kernels;

import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;

/**
 * A backend, and the doors into it that its contract tests need beside {@link Backend}. Every
 * backend's tests implement it once.
 */
public interface BackendUnderTest extends AutoCloseable {
  /** The backend. */
  Backend backend();

  /**
   * Largest |out - reference| / max |reference| that the backend's precision may cause on well-
   * conditioned input.
   */
  double tolerance();

  /** An index that the test made, in the backend's memory. */
  AttentionIndex index(TileIndex tiles, Tensor k);

  /** The lines which the backend's own estimate selects for a head. */
  LineSelection lines(
      HeadPattern.Lines pattern, int head, AttentionShape shape, Tensor q, Tensor k);

  /** The key tiles which the backend's own estimate selects for each query tile of a head. */
  int[][] blocks(
      HeadPattern.BlockSparse pattern,
      int head,
      AttentionShape shape,
      int firstTile,
      Tensor q,
      Tensor k);

  @Override
  void close();
}
