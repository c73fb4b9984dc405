package io.sparsefill.kernels;

/** The two 16-bit float formats of KV blocks, to and from fp32. */
public final class HalfFloats {
  private static final float FP16_LIMIT = 65520f;

  private HalfFloats() {}

  /** To bfloat16, rounded to nearest even; NaN stays NaN. */
  public static short toBf16(float x) {
    int bits = Float.floatToRawIntBits(x);
    if (Float.isNaN(x)) {
      return (short) ((bits >>> 16) | 0x40);
    }
    return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
  }

  /** From bfloat16, exactly. */
  public static float fromBf16(short x) {
    return Float.intBitsToFloat(x << 16);
  }

  /** Whether a finite fp32 becomes infinite in binary16. */
  public static boolean overflowsFp16(float x) {
    return Math.abs(x) >= FP16_LIMIT && !Float.isInfinite(x);
  }

  /**
   * To IEEE 754 binary16, rounded to nearest even; values of 65520 and more become infinite, NaN
   * stays NaN.
   */
  public static short toFp16(float x) {
    int bits = Float.floatToRawIntBits(x);
    int sign = (bits >>> 16) & 0x8000;
    float abs = Math.abs(x);
    if (Float.isNaN(x)) {
      return (short) (sign | 0x7e00);
    }
    if (abs >= FP16_LIMIT) {
      return (short) (sign | 0x7c00);
    }
    if (abs < 0x1p-14f) {
      // Subnormal: the value in units of 2^-24, rounded to nearest even by rint.
      return (short) (sign | (int) Math.rint(abs * 0x1p24));
    }
    int magnitude = bits & 0x7fffffff;
    int rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
    return (short) (sign | ((rounded - (112 << 23)) >>> 13));
  }

  /** From IEEE 754 binary16, exactly. */
  public static float fromFp16(short x) {
    int sign = (x & 0x8000) << 16;
    int exponent = (x >>> 10) & 0x1f;
    int fraction = x & 0x3ff;
    if (exponent == 0) {
      float subnormal = fraction * 0x1p-24f;
      return sign == 0 ? subnormal : -subnormal;
    }
    if (exponent == 31) {
      return Float.intBitsToFloat(sign | 0x7f800000 | (fraction << 13));
    }
    return Float.intBitsToFloat(sign | ((exponent + 112) << 23) | (fraction << 13));
  }
}
