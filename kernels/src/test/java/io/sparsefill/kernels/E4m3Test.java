package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/**
 * The 8-bit format, exhaustively. The oracle is the format's definition in double: 1 sign, 4
 * exponent bits with bias 7, 3 fraction bits, all ones for NaN.
 */
class E4m3Test {
  private static double decode(int code) {
    int exponent = (code >>> 3) & 15;
    int fraction = code & 7;
    double sign = code < 128 ? 1 : -1;
    if (exponent == 15 && fraction == 7) {
      return Double.NaN;
    }
    return exponent == 0
        ? sign * fraction / 512
        : sign * (8 + fraction) / 8 * Math.pow(2, exponent - 7);
  }

  @Test
  void everyCodeIsDecodedExactlyAndComesBack() {
    for (int code = 0; code < 256; code++) {
      float number = E4m3.toFloat((byte) code);
      // compare() tells -0 from 0 and takes all NaNs for equal.
      assertThat(Double.compare(number, decode(code))).as("code %02x", code).isZero();
      if (!Float.isNaN(number)) {
        assertThat(E4m3.of(number)).as("code %02x", code).isEqualTo((byte) code);
      }
    }
    assertThat(decode(0x7e)).as("the largest").isEqualTo(E4m3.MAX);
  }

  /** All floats up to halfway go down, behind it up, and halfway itself to the even code. */
  @Test
  void roundsToNearestEven() {
    for (int low = 0; low < 0x7e; low++) {
      float half = (float) ((decode(low) + decode(low + 1)) / 2);
      assertCode(half, low + low % 2);
      assertCode(Math.nextDown(half), low);
      assertCode(Math.nextUp(half), low + 1);
    }
    assertCode(Float.MIN_VALUE, 0);
  }

  @Test
  void whatIsTooLargeBecomesTheLargestAndNanStays() {
    for (float large : new float[] {448.01f, 464, 480, Float.MAX_VALUE, Float.POSITIVE_INFINITY}) {
      assertCode(large, 0x7e);
    }
    assertThat(E4m3.of(Float.NaN) & 0x7f).isEqualTo(0x7f);
  }

  private static void assertCode(float x, int code) {
    assertThat(E4m3.of(x)).as("code of %a", x).isEqualTo((byte) code);
    assertThat(E4m3.of(-x)).as("code of %a", -x).isEqualTo((byte) (code | 0x80));
  }

  @Test
  void theScaleMakesTheLargestThatOfTheFormatAndIsNeverZero() {
    assertThat(E4m3.scale(896)).isEqualTo(2);
    assertThat(E4m3.scale(1)).isEqualTo(1 / 448f);
    assertThat(E4m3.scale(0)).isEqualTo(Float.MIN_NORMAL);
    assertThat(E4m3.scale(448 * Float.MIN_NORMAL)).isEqualTo(Float.MIN_NORMAL);
    assertThat(E4m3.scale(Float.MIN_VALUE)).isEqualTo(Float.MIN_NORMAL);
    assertThat(E4m3.scale(Float.MAX_VALUE)).isFinite();
  }
}
