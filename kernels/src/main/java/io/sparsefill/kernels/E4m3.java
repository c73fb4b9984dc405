package io.sparsefill.kernels;

/**
 * The 8-bit floats of KV blocks: E4M3FN of the OCP 8-bit Floating Point Specification 1.0, with 1
 * sign, 4 exponent (bias 7) and 3 fraction bits. The largest number is 448; there are no
 * infinities, and one code of either sign is NaN.
 *
 * <p>The D elements of a token and head are stored as codes of {@code element / scale}, with the
 * scale of {@link #scale}: their largest becomes 448. Every step is one IEEE operation in fp32,
 * rounded to nearest even, so that all backends make the same codes of the same numbers. A scale
 * that is a power of two would save the division's rounding, but not the error: it loses up to a
 * binade for the heads' outliers, which then weigh most (0.027 instead of 0.021 relative for
 * heavy-tailed rows).
 */
public final class E4m3 {
  /** The largest number. */
  public static final float MAX = 448;

  private static final int NAN = 0x7f;
  private static final int MAX_CODE = 0x7e;

  /** Numbers of all codes. */
  private static final float[] NUMBERS = numbers();

  private E4m3() {}

  /**
   * The scale of elements whose largest magnitude is given: a 448th of it, and at least the
   * smallest normal fp32, 2^-126, which is also that of zeros.
   */
  public static float scale(float largest) {
    return Math.max(largest / MAX, Float.MIN_NORMAL);
  }

  /**
   * The code of a number, rounded to nearest even; what is larger than 448, infinity included,
   * becomes 448, and NaN stays NaN.
   */
  public static byte of(float x) {
    int sign = (Float.floatToRawIntBits(x) >>> 24) & 0x80;
    float size = Math.abs(x);
    if (Float.isNaN(x)) {
      return (byte) (sign | NAN);
    }
    if (size >= MAX) {
      return (byte) (sign | MAX_CODE);
    }
    if (size < 0x1p-6f) {
      // Subnormal: the number in units of 2^-9, rounded to nearest even by rint.
      return (byte) (sign | (int) Math.rint(size * 0x1p9));
    }
    int bits = Float.floatToRawIntBits(size);
    int rounded = bits + 0x7ffff + ((bits >>> 20) & 1);
    return (byte) (sign | ((rounded >>> 20) - (120 << 3)));
  }

  /** The number of a code, exactly. */
  public static float toFloat(byte code) {
    return NUMBERS[code & 0xff];
  }

  private static float[] numbers() {
    float[] numbers = new float[256];
    for (int code = 0; code < numbers.length; code++) {
      int exponent = (code >>> 3) & 0xf;
      int fraction = code & 7;
      float size = exponent == 0 ? fraction * 0x1p-9f : Math.scalb(1 + fraction / 8f, exponent - 7);
      numbers[code] = (code & NAN) == NAN ? Float.NaN : (code & 0x80) == 0 ? size : -size;
    }
    return numbers;
  }
}
