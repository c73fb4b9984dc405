package io.sparsefill.job.output;

import io.sparsefill.kernels.KvDtype;

/** Exact values of stored keys and values. */
final class StoredFloats {
  private StoredFloats() {}

  /**
   * Element {@code index} of little-endian bytes; every bfloat16 and binary16 number is a float.
   */
  static float at(KvDtype dtype, byte[] bytes, int index) {
    int bits = (bytes[2 * index] & 0xff) | (bytes[2 * index + 1] & 0xff) << 8;
    return switch (dtype) {
      case BF16 -> Float.intBitsToFloat(bits << 16);
      case FP16 -> fp16(bits);
    };
  }

  /** IEEE 754 binary16: 1 sign bit, 5 of exponent (bias 15), 10 of fraction. */
  private static float fp16(int bits) {
    int sign = (bits & 0x8000) << 16;
    int exponent = bits >>> 10 & 0x1f;
    int fraction = bits & 0x3ff;
    if (exponent == 0) { // zero, or fraction * 2^-24
      float magnitude = fraction * 0x1p-24f;
      return sign == 0 ? magnitude : -magnitude;
    }
    int wide = exponent == 0x1f ? 0xff : exponent - 15 + 127;
    return Float.intBitsToFloat(sign | wide << 23 | fraction << 13);
  }
}
