package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * How every backend packs rows as fp8: a scale for each row and head, by definition the fp32
 * quotient of the head's largest magnitude and 448, and the codes nearest to the quotients of
 * element and scale. Numbers of the tests are bf16, so that all backends have the same.
 */
public abstract class Fp8Contract extends BackendContract {
  /** Powers of vectors, none of them, partial ones, and more than a warp takes at a time. */
  private static final int[] HEAD_DIMS = {1, 7, 8, 24, 63, 64, 65, 80, 96, 128, 136, 256, 264, 600};

  private static final int[] HEADS = {1, 2, 3, 8};

  private Backend backend;
  private Random random;

  @BeforeEach
  void begin() {
    backend = device.backend();
    random = new Random(17);
  }

  /** Codes [rows, cols] and scales [rows, heads] of a matrix. */
  @SuppressWarnings("ArrayRecordComponent") // read, never compared
  private record Packed(byte[] codes, float[] scales) {}

  private Packed pack(ArrayMatrix matrix, int headDim) {
    try (Tensor tensor = backend.upload(matrix, "a test");
        PackedRows rows = backend.pack(tensor, KvDtype.FP8, headDim)) {
      return packed(rows, 0, (int) matrix.rows(), matrix.cols(), headDim);
    }
  }

  private static Packed packed(PackedRows rows, int from, int count, int cols, int headDim) {
    byte[] codes = new byte[count * cols];
    byte[] scales = new byte[count * (cols / headDim) * Float.BYTES];
    rows.copy(from, count, from, codes, 0);
    rows.copyScales(from, count, scales, 0);
    float[] numbers = new float[scales.length / Float.BYTES];
    ByteBuffer.wrap(scales).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(numbers);
    return new Packed(codes, numbers);
  }

  /** Oracle: the codes themselves, whose numbers times a power of two are packed. */
  @Test
  void everyCodeComesBack() {
    // Seven codes and the largest number in a head of eight, so that its scale is the power of two.
    byte[] codes = new byte[37 * 8];
    int code = 0;
    for (int i = 0; i < codes.length; i++) {
      codes[i] = (byte) (i % 8 == 7 ? 0x7e : code++);
      if ((code & 0x7f) == 0x7f) {
        code++; // NaN is no number to pack
      }
    }
    assertThat(code).as("all codes are in it").isGreaterThanOrEqualTo(256);
    for (float power : new float[] {1, 0x1p-100f, 0x1p-14f, 0x1p60f, 0x1p118f}) {
      float[] values = new float[codes.length];
      for (int i = 0; i < values.length; i++) {
        values[i] = E4m3.toFloat(codes[i]) * power;
      }
      Packed packed = pack(new ArrayMatrix(8, values), 8);
      assertThat(packed.scales()).containsOnly(power);
      assertThat(packed.codes()).as("times %a", power).isEqualTo(codes);
    }
  }

  @Test
  void eachElementIsTheNearestMultipleOfItsHeadsScale() {
    try (ErrorBudget budget =
        new ErrorBudget("fp8, |x - code * scale| of what the format allows, in double", 1)) {
      for (int headDim : HEAD_DIMS) {
        for (int heads : HEADS) {
          ArrayMatrix matrix = ArrayMatrix.random(19, heads * headDim, 3, random);
          for (int i = 0; i < matrix.values().length; i += 5) {
            matrix.values()[i] *= 0x1p-9f; // among the format's subnormal numbers
          }
          check(matrix, headDim, pack(matrix, headDim), budget);
        }
      }
    }
  }

  private static void check(ArrayMatrix matrix, int headDim, Packed packed, ErrorBudget budget) {
    int heads = matrix.cols() / headDim;
    for (int head = 0; head < matrix.rows() * heads; head++) {
      float largest = 0;
      for (int i = head * headDim; i < (head + 1) * headDim; i++) {
        largest = Math.max(largest, Math.abs(matrix.values()[i]));
      }
      float scale = packed.scales()[head];
      assertThat(scale).isEqualTo((float) ((double) largest / 448));
      double worst = 0;
      for (int i = head * headDim; i < (head + 1) * headDim; i++) {
        double x = matrix.values()[i];
        double error = Math.abs(x - (double) E4m3.toFloat(packed.codes()[i]) * scale);
        // Half a step: a 16th of a normal number, 2^-10 scales of a subnormal one; and the fp32
        // division's rounding.
        double allowed = Math.max(Math.abs(x) / 16, scale / 1024.0) * (1 + 0x1p-20);
        worst = Math.max(worst, error / allowed);
        assertThat(error).as("of the head's largest").isLessThanOrEqualTo(largest / 16.0);
      }
      budget.spend(worst, "head_dim %d, %d heads, head %d".formatted(headDim, heads, head));
    }
  }

  /** Oracle: the Java twin, whose rounding is tested on every code. */
  @Test
  void roundsAsTheTwinDoes() {
    float[] values = new float[1 << 15];
    for (int i = 0; i < values.length; i++) {
      // Heads of 16 with magnitudes over many binades.
      values[i] =
          HalfFloats.fromBf16(
              HalfFloats.toBf16(
                  (float) (random.nextGaussian() * Math.pow(2, random.nextInt(14) - 10))));
    }
    Packed packed = pack(new ArrayMatrix(64, values), 16);
    byte[] expected = new byte[values.length];
    for (int i = 0; i < values.length; i++) {
      expected[i] = E4m3.of(values[i] / packed.scales()[i / 16]);
    }
    assertThat(packed.codes()).isEqualTo(expected);
  }

  /** Oracle: by hand; with 448 in the head, elements are multiples of one. */
  @Test
  void tiesGoToTheEvenCode() {
    float[] values = {448, 17, 19, -17, 0x1p-10f, 0x3p-10f, -0x3p-10f, 208 + 8};
    Packed packed = pack(new ArrayMatrix(8, values), 8);
    float[] numbers = {448, 16, 20, -16, 0, 0x1p-8f, -0x1p-8f, 224};
    for (int i = 0; i < numbers.length; i++) {
      assertThat(E4m3.toFloat(packed.codes()[i])).as("of %a", values[i]).isEqualTo(numbers[i]);
    }
  }

  /** Oracle: the definition; nothing is divided by zero, and nothing overflows. */
  @Test
  void zerosAndTheSmallestAndLargestNumbersArePacked() {
    float[] values = {0, -0f, 0, 0, 0x1p-130f, -0x1p-132f, 0x1p-133f, 0, 0x1.fep127f, 1, -8, 0};
    Packed packed = pack(new ArrayMatrix(12, values), 4);
    assertThat(packed.scales())
        .containsExactly(0x1p-126f, 0x1p-126f, (float) ((double) 0x1.fep127f / 448));
    assertThat(Arrays.copyOf(packed.codes(), 4)).containsExactly(0, 0x80, 0, 0);
    float[] tiny = {0x1p-4f, -0x1p-6f, 0x1p-7f, 0};
    for (int i = 0; i < tiny.length; i++) {
      assertThat(E4m3.toFloat(packed.codes()[4 + i])).isEqualTo(tiny[i]);
    }
    assertThat(packed.codes()[8]).isEqualTo((byte) 0x7e);
    assertThat(packed.codes()[10]).isEqualTo((byte) 0x80);
  }

  @Test
  void whatIsNotFiniteIsNamedByRowAndColumn() {
    for (int headDim : new int[] {5, 8}) {
      for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
        ArrayMatrix matrix = ArrayMatrix.random(20, 3 * headDim, 1, random);
        matrix.values()[7 * matrix.cols() + headDim + 2] = bad;
        matrix.values()[9 * matrix.cols()] = bad;
        byte[] codes = new byte[20 * matrix.cols()];
        try (Tensor tensor = backend.upload(matrix, "a test");
            PackedRows rows = backend.pack(tensor, KvDtype.FP8, headDim)) {
          rows.copy(0, 7, 0, codes, 0);
          assertThatThrownBy(() -> rows.copy(4, 6, 1004, codes, 0))
              .isInstanceOf(ArithmeticException.class)
              .hasMessageContaining("row 1007, column %d: it is %s", headDim + 2, bad);
        }
      }
    }
  }

  /** Oracle: the same rows in one piece. */
  @Test
  void partsOfRowsAndTheirScalesAreCopiedWhereTheyBelong() {
    ArrayMatrix matrix = ArrayMatrix.random(50, 3 * 24, 1, random);
    Packed whole = pack(matrix, 24);
    try (Tensor tensor = backend.upload(matrix, "a test");
        PackedRows rows = backend.pack(tensor.rows(10, 40), KvDtype.FP8, 24)) {
      for (int from = 0; from < 40; from += 15) {
        int count = Math.min(15, 40 - from);
        Packed part = packed(rows, from, count, 72, 24);
        int begin = 10 + from;
        assertThat(part.codes())
            .isEqualTo(Arrays.copyOfRange(whole.codes(), begin * 72, (begin + count) * 72));
        assertThat(part.scales())
            .isEqualTo(Arrays.copyOfRange(whole.scales(), begin * 3, (begin + count) * 3));
      }
      byte[] target = new byte[3 * Float.BYTES + 5];
      rows.copyScales(1, 1, target, 2);
      assertThat(ByteBuffer.wrap(target).order(ByteOrder.LITTLE_ENDIAN).getFloat(2))
          .isEqualTo(whole.scales()[33]);
      assertThat(target[0] + target[1] + target[14] + target[16]).isZero();
    }
  }

  @Test
  void asManyRowsAsArePromisedGoAtOnce() {
    int rows = Math.min(backend.packedRows(64, KvDtype.FP8, 1), 40_000);
    Packed packed = pack(ArrayMatrix.of(rows, 64, 2), 1);
    assertThat(packed.scales()).containsOnly(2 / 448f);
    assertThat(packed.codes()).containsOnly(0x7e);
  }

  @Test
  void headsThatDoNotDivideTheColumnsAndScalesOfOtherTypesAreRefused() {
    try (Tensor tensor = backend.upload(ArrayMatrix.of(2, 12, 1), "a test")) {
      for (int headDim : new int[] {0, -4, 5, 13}) {
        assertThatThrownBy(() -> backend.pack(tensor, KvDtype.FP8, headDim))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("12 columns")
            .hasMessageContaining("whole heads of " + headDim);
      }
      try (PackedRows rows = backend.pack(tensor, KvDtype.BF16, 4)) {
        assertThatThrownBy(() -> rows.copyScales(0, 1, new byte[12], 0))
            .isInstanceOf(IllegalStateException.class)
            .hasMessageContaining("bf16");
      }
    }
  }
}
