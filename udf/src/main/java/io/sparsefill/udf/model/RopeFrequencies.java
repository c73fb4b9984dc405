package io.sparsefill.udf.model;

import java.util.Locale;

/**
 * Precision of the rotary frequencies. A cache fits a serving engine only if both use the same: at
 * position 100,000 a rounded frequency is another angle altogether.
 */
public enum RopeFrequencies {
  /**
   * As transformers' {@code from_pretrained}, vLLM and SGLang keep them, whatever the weights are.
   */
  FP32,
  /**
   * As a transformers model has them that was cast as a whole ({@code model.to(torch.bfloat16)}),
   * which rounds its {@code inv_freq} buffer. Frequencies that transformers computes anew for a
   * long document (LongRoPE's long factors, dynamic NTK beyond its length) stay fp32 there, and
   * here.
   */
  BF16;

  /** The option's word: {@code fp32} or {@code bf16}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Reads a label.
   *
   * @throws IllegalArgumentException naming the accepted labels
   */
  public static RopeFrequencies of(String label) {
    for (RopeFrequencies value : values()) {
      if (value.label().equals(label)) {
        return value;
      }
    }
    throw new IllegalArgumentException(
        "Unknown rope frequencies '" + label + "': accepted are fp32 and bf16");
  }
}
