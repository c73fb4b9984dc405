package io.sparsefill.kernels;

import java.util.List;

/**
 * What a kind of backend takes for its tensors, known without a device: what a {@link MemoryPlan}
 * is made from.
 */
public interface DeviceSizes {
  /** Tokens that the layer loop should pass through the linear operators at a time. */
  int chunkTokens();

  /** Bytes that a block of logits may take: rows are computed in blocks of this size. */
  long logitsBytes();

  /** Bytes of a tensor that {@link Backend#allocate} makes. */
  long tensorBytes(long rows, long cols);

  /** Bytes of a tensor that {@link Backend#allocateFloats} makes. */
  long floatBytes(long rows, long cols);

  /**
   * The most bytes that {@link Backend#index} and {@link Backend#attention} take at once besides
   * their operands, for the same arguments.
   */
  long indexBytes(
      List<HeadPattern> patterns, AttentionShape shape, boolean dispatch, int firstTile);
}
