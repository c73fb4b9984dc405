package io.sparsefill.job.read;

import io.sparsefill.kernels.KvDtype;

/**
 * Sizes of one document's cache.
 *
 * @param tokens T
 * @param layers L
 * @param kvHeads G
 * @param headDim D
 * @param blockTokens tokens of a block; a document's last block may be shorter
 * @param dtype element type of keys and values
 */
public record CacheShape(
    int tokens, int layers, int kvHeads, int headDim, int blockTokens, KvDtype dtype) {
  /** Blocks of a layer. */
  public int blocks() {
    return (int) (((long) tokens + blockTokens - 1) / blockTokens);
  }

  /** First token of a block. */
  public int blockStart(int block) {
    return block * blockTokens;
  }

  /** Tokens of a block. */
  public int blockTokens(int block) {
    return Math.min(blockTokens, tokens - blockStart(block));
  }

  /** Bytes of one token's keys (and of its values) in one layer, G * D elements. */
  public int tokenBytes() {
    return kvHeads * headDim * dtype.bytes();
  }

  /** Bytes of the scales of one token's keys (and of its values) in one layer; mostly 0. */
  public int tokenScaleBytes() {
    return kvHeads * dtype.scaleBytes();
  }

  /** Bytes of one layer's keys (and of its values). */
  public long layerBytes() {
    return (long) tokens * tokenBytes();
  }
}
