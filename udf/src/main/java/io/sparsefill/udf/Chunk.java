package io.sparsefill.udf;

import io.sparsefill.kernels.Tensor;
import java.util.ArrayList;
import java.util.List;

/** A run of tokens that goes through the linear operators together. */
record Chunk(int from, int count) {
  /**
   * Cuts tokens [from, to) into chunks.
   *
   * @throws InterruptedException if the thread was interrupted: a pre-fill ends at the next stage
   */
  static List<Chunk> of(int from, int to, int size) throws InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException("The pre-fill was interrupted before token " + from);
    }
    List<Chunk> chunks = new ArrayList<>();
    for (int start = from; start < to; start += size) {
      chunks.add(new Chunk(start, Math.min(size, to - start)));
    }
    return chunks;
  }

  /** This chunk's rows of a tensor over all tokens. */
  Tensor of(Tensor all) {
    return all.rows(from, count);
  }

  /** As many rows of a chunk-sized tensor as this chunk has. */
  Tensor first(Tensor buffer) {
    return buffer.rows(0, count);
  }
}
