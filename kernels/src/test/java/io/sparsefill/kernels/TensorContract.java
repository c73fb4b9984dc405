package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What the tensors of every backend must hold: what is uploaded is read and packed again, bit by
 * bit, and rows outside and shapes that do not fit are refused.
 */
public abstract class TensorContract extends BackendContract {
  private static final int[] SIZES = {1, 7, 63, 64, 65};

  private Backend backend;
  private Random random;

  @BeforeEach
  void begin() {
    backend = device.backend();
    random = new Random(11);
  }

  private ArrayMatrix matrix(int rows, int cols) {
    return ArrayMatrix.random(rows, cols, 1, random);
  }

  private byte[] pack(Tensor tensor, KvDtype dtype) {
    return pack(backend, tensor, dtype);
  }

  /** All rows of a tensor, as they are stored; where there are scales, each row has one. */
  public static byte[] pack(Backend backend, Tensor tensor, KvDtype dtype) {
    try (PackedRows rows = backend.pack(tensor, dtype, (int) tensor.cols())) {
      int count = (int) tensor.rows();
      byte[] bytes = new byte[Math.toIntExact(count * tensor.cols() * dtype.bytes())];
      rows.copy(0, count, 0, bytes, 0);
      return bytes;
    }
  }

  private Tensor upload(ArrayMatrix matrix) {
    return backend.upload(matrix, "a test");
  }

  @Test
  void uploadAndReadGiveTheSameBits() {
    for (int rows : SIZES) {
      for (int cols : SIZES) {
        ArrayMatrix matrix = matrix(rows, cols);
        try (Tensor tensor = upload(matrix)) {
          assertThat(tensor.rows()).isEqualTo(rows);
          assertThat(tensor.cols()).isEqualTo(cols);
          assertThat(backend.read(tensor)).isEqualTo(matrix.values());
          int from = rows / 2;
          assertThat(backend.read(tensor.rows(from, rows - from)))
              .isEqualTo(Arrays.copyOfRange(matrix.values(), from * cols, rows * cols));
        }
      }
    }
    // Larger than the pieces that an upload is split into.
    ArrayMatrix large = matrix(1537, 1024);
    try (Tensor tensor = upload(large)) {
      assertThat(backend.read(tensor)).isEqualTo(large.values());
    }
  }

  @Test
  void rowsOutsideOfATensorAreRefused() {
    try (Tensor tensor = upload(matrix(5, 3))) {
      long[][] outside = {{-1, 2}, {0, 6}, {5, 1}, {6, 0}, {2, -1}, {1, Long.MAX_VALUE}};
      for (long[] range : outside) {
        assertThatThrownBy(() -> tensor.rows(range[0], range[1]))
            .as("rows %d + %d", range[0], range[1])
            .isInstanceOf(IndexOutOfBoundsException.class)
            .hasMessageContaining("5 rows");
      }
      assertThat(tensor.rows(5, 0).rows()).isZero();
    }
  }

  @Test
  void aFailedUploadHandsItsErrorOn() {
    HostMatrix broken =
        new HostMatrix() {
          @Override
          public long rows() {
            return 3;
          }

          @Override
          public int cols() {
            return 4;
          }

          @Override
          public void read(long from, int count, float[] target, int offset) {
            throw new IllegalStateException("truncated");
          }
        };
    assertThatThrownBy(() -> backend.upload(broken, "a test"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("truncated");
  }

  @Test
  void packWritesElementsInLittleEndianOrder() {
    // Oracle: the elements written out by hand; all of them are bf16 numbers.
    float[] values = {1f, -2f, 0.5f, 0x1.02p0f, 65280f, -0f};
    try (Tensor tensor = upload(new ArrayMatrix(3, values))) {
      assertThat(pack(tensor, KvDtype.BF16))
          .isEqualTo(bytes(0x80, 0x3f, 0x00, 0xc0, 0x00, 0x3f, 0x81, 0x3f, 0x7f, 0x47, 0x00, 0x80));
      assertThat(pack(tensor, KvDtype.FP16))
          .isEqualTo(bytes(0x00, 0x3c, 0x00, 0xc0, 0x00, 0x38, 0x08, 0x3c, 0xf8, 0x7b, 0x00, 0x80));
      assertThat(pack(tensor.rows(1, 1), KvDtype.BF16))
          .isEqualTo(bytes(0x81, 0x3f, 0x7f, 0x47, 0x00, 0x80));
      assertThat(pack(tensor.rows(1, 1), KvDtype.FP32))
          .isEqualTo(bytes(0, 0, 0x81, 0x3f, 0, 0, 0x7f, 0x47, 0, 0, 0, 0x80));
    }
  }

  private static byte[] bytes(int... values) {
    byte[] bytes = new byte[values.length];
    for (int i = 0; i < values.length; i++) {
      bytes[i] = (byte) values[i];
    }
    return bytes;
  }

  @Test
  void packOfEverySizeAgreesElementByElement() {
    for (int rows : SIZES) {
      for (int cols : SIZES) {
        ArrayMatrix matrix = matrix(rows, cols);
        try (Tensor tensor = upload(matrix)) {
          for (KvDtype dtype : KvDtype.values()) {
            byte[] packed = pack(tensor, dtype);
            assertThat(packed).hasSize(dtype.bytes() * rows * cols);
            ByteBuffer elements = ByteBuffer.wrap(packed).order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < rows * cols; i++) {
              float x = matrix.values()[i];
              switch (dtype) {
                case BF16 -> assertThat(elements.getShort()).isEqualTo(HalfFloats.toBf16(x));
                case FP16 -> assertThat(elements.getShort()).isEqualTo(HalfFloats.toFp16(x));
                case FP32 -> assertThat(elements.getFloat()).isEqualTo(x);
                case FP8 ->
                    assertThat(elements.get())
                        .isEqualTo(E4m3.of(x / E4m3.scale(largest(matrix, i / cols))));
              }
            }
          }
        }
      }
    }
  }

  private static float largest(ArrayMatrix matrix, int row) {
    float largest = 0;
    for (int c = 0; c < matrix.cols(); c++) {
      largest = Math.max(largest, Math.abs(matrix.at(row, c)));
    }
    return largest;
  }

  @Test
  void packOfWhatIsNotFiniteIsAnErrorThatSaysWhere() {
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
      try (Tensor tensor = upload(new ArrayMatrix(2, new float[] {1, 2, bad, 4}))) {
        for (KvDtype dtype : KvDtype.values()) {
          assertThatThrownBy(() -> pack(tensor, dtype))
              .isInstanceOf(ArithmeticException.class)
              .hasMessageContaining("row 1, column 0: it is " + bad);
        }
      }
    }
  }

  @Test
  void fp16OverflowIsAnErrorThatNamesTheValue() {
    try (Tensor tensor = upload(new ArrayMatrix(2, new float[] {1, 2, 3, -69632}))) {
      assertThatThrownBy(() -> pack(tensor, KvDtype.FP16))
          .isInstanceOf(ArithmeticException.class)
          .hasMessageContaining("-69632")
          .hasMessageContaining("bf16");
      assertThat(pack(tensor, KvDtype.BF16)).hasSize(8);
    }
  }

  /** Oracle: the same rows copied alone. */
  @Test
  void partsOfPackedRowsAreCopiedWhereTheyBelong() {
    try (Tensor tensor = upload(matrix(100, 24))) {
      byte[] whole = pack(tensor, KvDtype.BF16);
      try (PackedRows rows = backend.pack(tensor, KvDtype.BF16, 8)) {
        for (int from = 0; from < 100; from += 30) {
          int count = Math.min(30, 100 - from);
          byte[] part = new byte[48 * count + 5];
          rows.copy(from, count, 0, part, 3);
          assertThat(Arrays.copyOfRange(part, 3, 3 + 48 * count))
              .isEqualTo(Arrays.copyOfRange(whole, 48 * from, 48 * (from + count)));
          assertThat(part[0] + part[1] + part[2] + part[part.length - 1]).isZero();
        }
      }
    }
  }

  /** Rows before the bad one can be had; the message counts from where the caller says. */
  @Test
  void onlyTheRowsUpToABadOneAreStored() {
    ArrayMatrix matrix = matrix(20, 16);
    matrix.values()[7 * 16 + 5] = Float.NaN;
    matrix.values()[9 * 16] = Float.NaN;
    matrix.values()[13 * 16 + 2] = 70_000; // bf16 keeps it above what fp16 holds
    byte[] target = new byte[20 * 16 * 2];
    try (Tensor tensor = upload(matrix);
        PackedRows rows = backend.pack(tensor, KvDtype.FP16, 16);
        PackedRows behind = backend.pack(tensor.rows(10, 10), KvDtype.FP16, 16)) {
      rows.copy(0, 7, 0, target, 0);
      assertThatThrownBy(() -> rows.copy(4, 4, 0, target, 0))
          .isInstanceOf(ArithmeticException.class)
          .hasMessageContaining("row 3, column 5: it is NaN");
      assertThatThrownBy(() -> rows.copy(4, 10, 1000, target, 0))
          .isInstanceOf(ArithmeticException.class)
          .hasMessageContaining("row 1003, column 5: it is NaN");
      behind.copy(0, 3, 0, target, 0);
      assertThatThrownBy(() -> behind.copy(3, 1, 0, target, 0))
          .isInstanceOf(ArithmeticException.class)
          .hasMessageContaining("as fp16, whose largest value is 65504");
    }
  }

  @Test
  void refilledTensorsHoldWhatWasFilledLast() {
    try (Tensor tensor = backend.allocate(300, 40, "a refilled tensor");
        Tensor norm = upload(ArrayMatrix.of(1, 40, 1));
        Tensor out = backend.allocate(300, 40, "normed");
        Refill refill = backend.refill()) {
      for (int round = 0; round < 5; round++) {
        ArrayMatrix matrix = matrix(300, 40);
        refill.fill(matrix, tensor);
        refill.use();
        backend.rmsNorm(tensor, norm, 1e-6f, out);
        assertThat(backend.read(tensor)).as("round %d", round).isEqualTo(matrix.values());
        refill.done();
      }
      assertThatThrownBy(() -> refill.fill(matrix(300, 41), tensor))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void aTensorOfAnotherBackendIsRefused() {
    Tensor foreign =
        new Tensor() {
          @Override
          public long rows() {
            return 1;
          }

          @Override
          public long cols() {
            return 1;
          }

          @Override
          public Tensor rows(long from, long count) {
            return this;
          }

          @Override
          public void close() {
            // It holds nothing.
          }
        };
    assertThatThrownBy(() -> backend.read(foreign)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void shapesThatDoNotFitAreRefused() {
    AttentionShape shape = AttentionInput.shape(3, 2, 1, 4, 0);
    try (Tensor four = upload(matrix(3, 4));
        Tensor five = upload(matrix(3, 5));
        Tensor eight = upload(matrix(3, 8));
        Tensor twelve = upload(matrix(3, 12));
        Tensor sixteen = upload(matrix(3, 16));
        Tensor oneRow = upload(matrix(1, 5));
        Tensor rope = backend.rope(new RopeTable(4, false, new double[] {1}, 1), 4)) {
      int[] tokens = {0, 1, 2};
      assertRefused(() -> backend.embed(four, tokens, 0, five));
      assertRefused(() -> backend.rmsNorm(four, oneRow, 1, four));
      assertRefused(() -> backend.rmsNorm(five, oneRow, 1, four));
      assertRefused(() -> backend.siluMul(eight, five));
      assertRefused(() -> backend.siluMul(eight.rows(0, 2), four));
      assertRefused(
          () -> backend.splitAndRotate(twelve, shape, 0, rope, false, null, eight, four, four));
      assertRefused(
          () -> backend.splitAndRotate(sixteen, shape, 0, rope, false, null, eight, four, five));
      // Positions that the table of rotations does not have.
      assertThatThrownBy(
              () -> backend.splitAndRotate(sixteen, shape, 2, rope, false, null, eight, four, four))
          .isInstanceOf(IndexOutOfBoundsException.class);
      List<HeadPattern> dense = Collections.nCopies(2, new HeadPattern.Dense());
      assertRefused(() -> backend.index(dense, shape, false, 0, four, four));
      assertRefused(() -> backend.index(dense, shape, false, 0, eight, five));
      AttentionShape other = AttentionInput.shape(3, 2, 2, 4, 0);
      try (AttentionIndex index = backend.index(dense, shape, false, 0, eight, four)) {
        assertRefused(() -> backend.attention(index, other, eight, eight, eight, eight));
        assertRefused(() -> backend.attention(index, shape, eight, four, five, eight));
        assertRefused(() -> backend.attention(index, shape, eight, four, four, five));
      }
    }
  }

  private static void assertRefused(ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("Cannot compute");
  }
}
