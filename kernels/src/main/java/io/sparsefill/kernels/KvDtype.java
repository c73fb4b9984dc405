package io.sparsefill.kernels;

import java.util.Locale;

/** Element type of stored keys and values; both are two bytes, little-endian. */
public enum KvDtype {
  /** bfloat16: the upper half of an fp32, rounded to nearest even. */
  BF16,
  /**
   * IEEE 754 binary16, rounded to nearest even; values beyond 65504 are an error of the document.
   */
  FP16;

  /** Bytes of one element. */
  public int bytes() {
    return 2;
  }

  /** The name used in options and tables: {@code bf16} or {@code fp16}. */
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
        "Unknown KV dtype '" + label + "': accepted are bf16 and fp16");
  }
}
