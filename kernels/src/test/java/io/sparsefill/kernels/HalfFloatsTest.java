package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/**
 * The 16-bit formats, exhaustively: every pattern decoded by the formats' definition in double, and
 * every pair of neighbours with the point halfway between them.
 */
class HalfFloatsTest {
  /** IEEE 754 and bfloat16 by definition: sign, exponent with bias, fraction. */
  private static double decode(int pattern, int exponentBits, int fractionBits) {
    int fraction = pattern & ((1 << fractionBits) - 1);
    int exponent = (pattern >>> fractionBits) & ((1 << exponentBits) - 1);
    int bias = (1 << (exponentBits - 1)) - 1;
    double sign = (pattern & 0x8000) == 0 ? 1 : -1;
    if (exponent == (1 << exponentBits) - 1) {
      return fraction == 0 ? sign * Double.POSITIVE_INFINITY : Double.NaN;
    }
    return exponent == 0
        ? sign * Math.scalb((double) fraction, 1 - bias - fractionBits)
        : sign * Math.scalb(1 + Math.scalb((double) fraction, -fractionBits), exponent - bias);
  }

  @Test
  void everyFp16PatternIsDecodedExactlyAndComesBack() {
    for (int pattern = 0; pattern < 1 << 16; pattern++) {
      double value = decode(pattern, 5, 10);
      float decoded = HalfFloats.fromFp16((short) pattern);
      assertSameNumber(decoded, value, pattern);
      assertComesBack(HalfFloats.toFp16(decoded), pattern, value, 0x7c00);
    }
  }

  @Test
  void everyBf16PatternIsDecodedExactlyAndComesBack() {
    for (int pattern = 0; pattern < 1 << 16; pattern++) {
      double value = decode(pattern, 8, 7);
      float decoded = HalfFloats.fromBf16((short) pattern);
      assertSameNumber(decoded, value, pattern);
      assertComesBack(HalfFloats.toBf16(decoded), pattern, value, 0x7f80);
    }
  }

  private static void assertSameNumber(float decoded, double value, int pattern) {
    // compare() tells -0 from 0 and takes all NaNs for equal.
    if (Double.compare(decoded, value) != 0) {
      throw new AssertionError("%04x is %s, not %s".formatted(pattern, decoded, value));
    }
  }

  private static void assertComesBack(short encoded, int pattern, double value, int infinity) {
    boolean same =
        Double.isNaN(value)
            ? (encoded & infinity) == infinity && (encoded & 0x7fff) != infinity
            : encoded == (short) pattern;
    if (!same) {
      throw new AssertionError("%04x came back as %04x".formatted(pattern, encoded & 0xffff));
    }
  }

  private interface Encoder {
    short encode(float x);
  }

  /**
   * Every finite pattern and the next one, whose value is that of the first overflow for the last:
   * all floats up to halfway go down, behind halfway up, and halfway itself to the even pattern.
   */
  private static void assertRoundsToNearestEven(
      Encoder encoder, int infinity, int exponentBits, int fractionBits) {
    for (int low = 0; low < infinity; low++) {
      int bias = (1 << (exponentBits - 1)) - 1;
      double below = decode(low, exponentBits, fractionBits);
      double above =
          low + 1 == infinity
              ? Math.scalb(1.0, bias + 1)
              : decode(low + 1, exponentBits, fractionBits);
      float half = (float) ((below + above) / 2);
      assertThat((double) half).as("halfway is an fp32").isEqualTo((below + above) / 2);
      int even = low % 2 == 0 ? low : low + 1;
      assertEncodes(encoder, half, even);
      assertEncodes(encoder, Math.nextDown(half), low);
      assertEncodes(encoder, Math.nextUp(half), low + 1);
    }
  }

  private static void assertEncodes(Encoder encoder, float x, int pattern) {
    for (int sign : new int[] {0, 0x8000}) {
      float signed = sign == 0 ? x : -x;
      if (encoder.encode(signed) != (short) (sign | pattern)) {
        throw new AssertionError(
            "%s (%a) is encoded as %04x, not %04x"
                .formatted(signed, signed, encoder.encode(signed) & 0xffff, sign | pattern));
      }
    }
  }

  @Test
  void fp16RoundsToNearestEven() {
    assertRoundsToNearestEven(HalfFloats::toFp16, 0x7c00, 5, 10);
  }

  @Test
  void bf16RoundsToNearestEven() {
    assertRoundsToNearestEven(HalfFloats::toBf16, 0x7f80, 8, 7);
  }

  @Test
  void valuesBeyondTheRangeBecomeInfinite() {
    assertThat(HalfFloats.toFp16(Float.MAX_VALUE)).isEqualTo((short) 0x7c00);
    assertThat(HalfFloats.toFp16(Float.NEGATIVE_INFINITY)).isEqualTo((short) 0xfc00);
    assertThat(HalfFloats.toBf16(-Float.MAX_VALUE)).isEqualTo((short) 0xff80);
    assertThat(HalfFloats.toBf16(Float.POSITIVE_INFINITY)).isEqualTo((short) 0x7f80);
    assertThat(HalfFloats.toFp16(Float.MIN_VALUE)).isZero();
  }

  @Test
  void overflowIsSeenFromHalfwayToTheNextPowerOfTwoOn() {
    assertThat(HalfFloats.overflowsFp16(Math.nextDown(65520f))).isFalse();
    assertThat(HalfFloats.overflowsFp16(65520f)).isTrue();
    assertThat(HalfFloats.overflowsFp16(-65520f)).isTrue();
    assertThat(HalfFloats.overflowsFp16(Float.NaN)).isFalse();
    assertThat(HalfFloats.overflowsFp16(Float.NEGATIVE_INFINITY)).isFalse();
  }
}
