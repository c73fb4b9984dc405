package io.sparsefill.kernels;

/**
 * Rotary position embedding of one pre-fill (RoFormer, arXiv 2104.09864), with every scaling
 * already folded in: the angle of pair i at position p is {@code p * inverseFrequency[i]}, cosine
 * and sine are multiplied by {@code attentionScaling} (YaRN, LongRoPE; 1 elsewhere).
 *
 * @param headDim D, dimensions of a head; those from 2 * inverseFrequency.length on pass unrotated
 *     (partial rotary)
 * @param interleaved true when pairs are (2i, 2i+1) as in GLM, false when they are (i, i + n) with
 *     n = inverseFrequency.length, as in Llama
 * @param inverseFrequency one angular frequency (radians per token) for each rotated pair
 * @param attentionScaling factor on cosine and sine
 */
public record RopeTable(
    int headDim, boolean interleaved, double[] inverseFrequency, double attentionScaling) {
  /** Checks that the rotated pairs fit into the head. */
  public RopeTable {
    if (2 * inverseFrequency.length > headDim) {
      throw new IllegalArgumentException(
          "RoPE rotates "
              + 2 * inverseFrequency.length
              + " dimensions, but a head has only "
              + headDim);
    }
  }
}
