package io.sparsefill.kernels;

import java.util.Locale;

/** Element type of stored keys and values, little-endian. */
public enum KvDtype {
  /** bfloat16: the upper half of an fp32, rounded to nearest even. */
  BF16,
  /**
   * IEEE 754 binary16, rounded to nearest even; values beyond 65504 are an error of the document.
   */
  FP16,
  /**
   * IEEE 754 binary32, as the CPU computes it: for comparisons; serving engines take the 16-bit
   * ones.
   */
  FP32;

  /** Bytes of one element. */
  public int bytes() {
    return this == FP32 ? 4 : 2;
  }

  /** The name used in options and tables: {@code bf16}, {@code fp16} or {@code fp32}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Reads a label.
   *
   * @throws IllegalArgumentException naming the accepted labels
   */
  public static KvDtype of(String label) {
    for (KvDtype dtype : values()) {
      if (dtype.label().equals(label)) {
        return dtype;
      }
    }
    throw new IllegalArgumentException(
        "Unknown KV dtype '" + label + "': accepted are bf16, fp16 and fp32");
  }
}
