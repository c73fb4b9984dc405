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
  FP32,
  /**
   * OCP E4M3FN codes ({@link E4m3}), each a multiple of the scale of its token and KV head: half of
   * bf16's bytes, with a 16th of a number's size as its largest rounding error.
   */
  FP8;

  /** Bytes of one element. */
  public int bytes() {
    return switch (this) {
      case FP8 -> 1;
      case BF16, FP16 -> 2;
      case FP32 -> 4;
    };
  }

  /** Whether elements mean nothing without the scale (fp32) of their token and KV head. */
  public boolean scaled() {
    return this == FP8;
  }

  /** Bytes of one token's keys (or values) in one layer, scales included. */
  public long tokenBytes(int kvHeads, int headDim) {
    return (long) kvHeads * (headDim * bytes() + scaleBytes());
  }

  /** Bytes of the scale of a token and head; 0 where there is none. */
  public int scaleBytes() {
    return scaled() ? Float.BYTES : 0;
  }

  /** The name used in options and tables: {@code bf16}, {@code fp16}, {@code fp32}, {@code fp8}. */
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
        "Unknown KV dtype '" + label + "': accepted are bf16, fp16, fp32 and fp8");
  }
}
