package io.sparsefill.udf.model;

import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.RopeTable;

/**
 * Rotary position embedding of a model, before the length of a document is known.
 *
 * @param theta base of the frequencies
 * @param headDim D
 * @param rotaryDim dimensions of a head that are rotated, the first ones; even
 * @param interleaved true when pairs are neighbours (GLM), false when they are the two halves (all
 *     others)
 * @param scaling how the frequencies are stretched to longer contexts
 */
public record RopeConfig(
    double theta, int headDim, int rotaryDim, boolean interleaved, RopeScaling scaling) {
  /** Checks that whole pairs are rotated and that they fit into the head. */
  public RopeConfig {
    if (rotaryDim < 2 || rotaryDim % 2 != 0 || rotaryDim > headDim) {
      throw new IllegalArgumentException(
          "Cannot rotate %d of a head's %d dimensions: the number must be even, at least 2, and at most the head's"
              .formatted(rotaryDim, headDim));
    }
  }

  /** The table for a pre-fill of that many tokens, with frequencies in that precision. */
  public RopeTable table(int tokens, RopeFrequencies precision) {
    double[] inverse = scaling.inverseFrequency(theta, rotaryDim, tokens);
    if (precision == RopeFrequencies.BF16 && !scaling.isRecomputed(tokens)) {
      for (int i = 0; i < inverse.length; i++) {
        inverse[i] = HalfFloats.fromBf16(HalfFloats.toBf16((float) inverse[i]));
      }
    }
    return new RopeTable(headDim, interleaved, inverse, scaling.attentionScaling(tokens));
  }

  /**
   * How dimensions are paired, in the word that the manifest uses: {@code half_split} or {@code
   * interleaved}.
   */
  public String pairing() {
    return interleaved ? "interleaved" : "half_split";
  }
}
