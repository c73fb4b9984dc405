package io.sparsefill.kernels;

import java.util.Collections;
import java.util.List;

/**
 * Attention of one pattern on every head, and what it cost.
 *
 * @param out [T, H * D]; 0 in the rows before the first query tile
 */
@SuppressWarnings("ArrayRecordComponent") // read once, never compared
record Attended(float[] out, AttentionCost cost) {

  /** Computes it. */
  static Attended of(Backend backend, AttentionInput input, HeadPattern pattern, int firstTile) {
    AttentionShape shape = input.shape();
    List<HeadPattern> patterns = Collections.nCopies(shape.heads(), pattern);
    int width = shape.heads() * shape.headDim();
    try (Tensor q = backend.upload(input.q(), "q");
        Tensor k = backend.upload(input.k(), "k");
        Tensor v = backend.upload(input.v(), "v");
        Tensor out = backend.upload(ArrayMatrix.of(shape.tokens(), width, 0), "out");
        AttentionIndex index = backend.index(patterns, shape, false, firstTile, q, k)) {
      backend.attention(index, shape, q, k, v, out);
      return new Attended(backend.read(out), index.cost());
    }
  }
}
