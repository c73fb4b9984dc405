package io.sparsefill.kernels;

/**
 * Shapes of one causal self-attention over a whole document.
 *
 * @param tokens T, queries and keys
 * @param heads H, query heads; a multiple of {@code kvHeads}
 * @param kvHeads G, key and value heads; query head h reads KV head {@code h / (H / G)} (GQA)
 * @param headDim D
 * @param scale factor on q·k, most often 1/sqrt(D)
 * @param window sliding window: query q sees keys (q - window, q]; 0 means all keys up to q
 */
public record AttentionShape(
    int tokens, int heads, int kvHeads, int headDim, float scale, int window) {
  /** Checks the sizes. */
  public AttentionShape {
    if (tokens < 1
        || heads < 1
        || kvHeads < 1
        || headDim < 1
        || heads % kvHeads != 0
        || window < 0) {
      throw new IllegalArgumentException(
          "Attention over T=%d tokens with H=%d heads, G=%d KV heads, D=%d, window %d: sizes must be positive, and H a multiple of G"
              .formatted(tokens, heads, kvHeads, headDim, window));
    }
  }

  /** Query heads that share one KV head. */
  public int group() {
    return heads / kvHeads;
  }

  /** First key that query {@code q} may see. */
  public int firstKey(int q) {
    return window == 0 ? 0 : Math.max(0, q - window + 1);
  }
}
