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
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What the tensors of every backend must hold: what is uploaded is read and packed again, bit by
 * bit, and rows outside and shapes that do not fit are refused.
 */
public abstract class TensorContract {
  private static final int[] SIZES = {1, 7, 63, 64, 65};

  private BackendUnderTest device;
  private Backend backend;
  private Random random;

  /** Opens the backend. */
  protected abstract BackendUnderTest open();

  @BeforeEach
  void openBackend() {
    device = open();
    backend = device.backend();
    random = new Random(11);
  }

  @AfterEach
  void closeBackend() {
    device.close();
  }

  private ArrayMatrix matrix(int rows, int cols) {
    return ArrayMatrix.random(rows, cols, 1, random);
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
      assertThat(backend.pack(tensor, KvDtype.BF16))
          .isEqualTo(bytes(0x80, 0x3f, 0x00, 0xc0, 0x00, 0x3f, 0x81, 0x3f, 0x7f, 0x47, 0x00, 0x80));
      assertThat(backend.pack(tensor, KvDtype.FP16))
          .isEqualTo(bytes(0x00, 0x3c, 0x00, 0xc0, 0x00, 0x38, 0x08, 0x3c, 0xf8, 0x7b, 0x00, 0x80));
      assertThat(backend.pack(tensor.rows(1, 1), KvDtype.BF16))
          .isEqualTo(bytes(0x81, 0x3f, 0x7f, 0x47, 0x00, 0x80));
      assertThat(backend.pack(tensor.rows(1, 1), KvDtype.FP32))
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
            byte[] packed = backend.pack(tensor, dtype);
            assertThat(packed).hasSize(dtype.bytes() * rows * cols);
            ByteBuffer elements = ByteBuffer.wrap(packed).order(ByteOrder.LITTLE_ENDIAN);
            for (float x : matrix.values()) {
              switch (dtype) {
                case BF16 -> assertThat(elements.getShort()).isEqualTo(HalfFloats.toBf16(x));
                case FP16 -> assertThat(elements.getShort()).isEqualTo(HalfFloats.toFp16(x));
                case FP32 -> assertThat(elements.getFloat()).isEqualTo(x);
              }
            }
          }
        }
      }
    }
  }

  @Test
  void packOfWhatIsNotFiniteIsAnErrorThatSaysWhere() {
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
      try (Tensor tensor = upload(new ArrayMatrix(2, new float[] {1, 2, bad, 4}))) {
        for (KvDtype dtype : KvDtype.values()) {
          assertThatThrownBy(() -> backend.pack(tensor, dtype))
              .isInstanceOf(ArithmeticException.class)
              .hasMessageContaining("row 1, column 0: it is " + bad);
        }
      }
    }
  }

  @Test
  void fp16OverflowIsAnErrorThatNamesTheValue() {
    try (Tensor tensor = upload(new ArrayMatrix(2, new float[] {1, 2, 3, -69632}))) {
      assertThatThrownBy(() -> backend.pack(tensor, KvDtype.FP16))
          .isInstanceOf(ArithmeticException.class)
          .hasMessageContaining("-69632")
          .hasMessageContaining("bf16");
      assertThat(backend.pack(tensor, KvDtype.BF16)).hasSize(8);
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
