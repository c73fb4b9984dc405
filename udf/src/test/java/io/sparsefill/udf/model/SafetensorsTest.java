package io.sparsefill.udf.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.HostMatrix;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The format and its guards; oracle of the values is what was written. */
class SafetensorsTest {
  @TempDir Path folder;

  private Path file() {
    return folder.resolve("t.safetensors");
  }

  @Test
  void everyBf16ValueIsTheUpperHalfOfItsFloat() throws IOException {
    Path file = allShorts("BF16");
    float[] read = ChatGlmFolder.values(Safetensors.open(file).matrix("t"));
    for (int i = 0; i < 65536; i++) {
      assertThat(Float.floatToRawIntBits(read[i])).as("bits %04x", i).isEqualTo(i << 16);
    }
  }

  @Test
  void everyF16ValueFollowsTheDefinitionOfBinary16() throws IOException {
    Path file = allShorts("F16");
    float[] read = ChatGlmFolder.values(Safetensors.open(file).matrix("t"));
    for (int i = 0; i < 65536; i++) {
      assertThat(Float.valueOf(read[i])).as("bits %04x", i).isEqualTo(Float.valueOf(half(i)));
      if (half(i) == 0) {
        assertThat(1 / read[i]).as("sign of zero %04x", i).isEqualTo(1 / half(i));
      }
    }
  }

  /** IEEE 754-2008, 3.4: sign, 5 bits of exponent with bias 15, 10 bits of fraction. */
  private static float half(int bits) {
    double sign = (bits & 0x8000) == 0 ? 1 : -1;
    int exponent = bits >> 10 & 31;
    int fraction = bits & 1023;
    if (exponent == 31) {
      return fraction != 0 ? Float.NaN : (float) (sign * Double.POSITIVE_INFINITY);
    }
    return (float)
        (exponent == 0
            ? sign * fraction * Math.pow(2, -24)
            : sign * (1024 + fraction) * Math.pow(2, exponent - 25));
  }

  private Path allShorts(String dtype) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(2 * 65536).order(ByteOrder.LITTLE_ENDIAN);
    IntStream.range(0, 65536).forEach(i -> bytes.putShort((short) i));
    new SafetensorsWriter().raw("t", dtype, List.of(256L, 256L), bytes.array()).write(file());
    return file();
  }

  @ParameterizedTest
  @ValueSource(ints = {8, 16, 64, 1 << 30})
  void rowsAreTheSameWhateverTheWindows(int windowBytes) throws IOException {
    float[] values = ramp(7 * 13);
    new SafetensorsWriter()
        .bf16("odd", List.of(3L), new float[] {1, 2, 3})
        .f32("f", List.of(7L, 13L), values)
        .bf16("b", List.of(7L, 13L), values)
        .write(file());
    Safetensors file = Safetensors.open(file(), windowBytes);
    for (String name : List.of("f", "b")) {
      HostMatrix matrix = file.matrix(name);
      assertThat(matrix.rows()).isEqualTo(7);
      assertThat(matrix.cols()).isEqualTo(13);
      for (int from = 0; from <= 7; from++) {
        for (int count = 0; from + count <= 7; count++) {
          float[] read = new float[2 + 13 * count + 1];
          matrix.read(from, count, read, 2);
          for (int i = 0; i < 13 * count; i++) {
            assertThat(read[2 + i]).isEqualTo(values[13 * from + i]);
          }
          assertThat(read[0] + read[1] + read[read.length - 1]).isZero();
        }
      }
    }
  }

  /** Oracle: the fp32 reading, rounded element by element. */
  @ParameterizedTest
  @ValueSource(ints = {8, 16, 64, 1 << 30})
  void bf16IsWhatFp32RoundsTo(int windowBytes) throws IOException {
    float[] values = ramp(7 * 13);
    for (int i = 0; i < values.length; i++) {
      values[i] = values[i] / 7 - 3; // more digits than bf16 has
    }
    ByteBuffer halves = ByteBuffer.allocate(2 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (float value : values) {
      halves.putShort(HalfFloats.toFp16(value));
    }
    new SafetensorsWriter()
        .bf16("odd", List.of(3L), new float[] {1, 2, 3})
        .f32("f", List.of(7L, 13L), values)
        .bf16("b", List.of(7L, 13L), values)
        .raw("h", "F16", List.of(7L, 13L), halves.array())
        .write(file());
    Safetensors file = Safetensors.open(file(), windowBytes);
    for (String name : List.of("f", "b", "h")) {
      HostMatrix matrix = file.matrix(name);
      for (int from = 0; from <= 7; from++) {
        for (int count = 0; from + count <= 7; count++) {
          float[] exact = new float[13 * count];
          matrix.read(from, count, exact, 0);
          // Whatever order the target has, elements are little-endian.
          ByteBuffer target = ByteBuffer.allocateDirect(2 * exact.length + 7);
          matrix.readBf16(from, count, target, 4);
          target.order(ByteOrder.LITTLE_ENDIAN);
          for (int i = 0; i < exact.length; i++) {
            assertThat(target.getShort(4 + 2 * i)).isEqualTo(HalfFloats.toBf16(exact[i]));
          }
          assertThat(target.getInt(0)).isZero();
          assertThat(target.get(target.capacity() - 1)).isZero();
        }
      }
    }
  }

  @Test
  void severalThreadsReadTheSameMatrix() throws IOException {
    float[] values = ramp(1000 * 64);
    new SafetensorsWriter().bf16("b", List.of(1000L, 64L), values).write(file());
    HostMatrix matrix = Safetensors.open(file(), 1 << 12).matrix("b");
    long wrong =
        IntStream.range(0, 4000)
            .parallel()
            .filter(
                i -> {
                  float[] row = new float[64];
                  matrix.read(i % 1000, 1, row, 0);
                  return row[5] != values[i % 1000 * 64 + 5];
                })
            .count();
    assertThat(wrong).isZero();
  }

  @Test
  void readingOutsideIsRefused() throws IOException {
    new SafetensorsWriter().f32("f", List.of(2L, 3L), ramp(6)).write(file());
    HostMatrix matrix = Safetensors.open(file()).matrix("f");
    float[] target = new float[6];
    for (Runnable bad :
        List.<Runnable>of(
            () -> matrix.read(2, 1, target, 0),
            () -> matrix.read(-1, 1, target, 0),
            () -> matrix.read(0, 2, target, 1),
            () -> matrix.read(0, -1, target, 0),
            () -> matrix.readBf16(2, 1, ByteBuffer.allocate(12), 0),
            () -> matrix.readBf16(0, 2, ByteBuffer.allocate(12), 1),
            () -> matrix.readBf16(0, -1, ByteBuffer.allocate(12), 0))) {
      assertThatThrownBy(bad::run).isInstanceOf(IndexOutOfBoundsException.class);
    }
  }

  @Test
  void vectorsScalarsEmptyAndDeeperTensorsHaveRowsAndColumns() throws IOException {
    new SafetensorsWriter()
        .f32("vector", List.of(3L), ramp(3))
        .f32("scalar", List.of(), ramp(1))
        .f32("empty", List.of(0L, 4L), ramp(0))
        .f32("cube", List.of(2L, 3L, 4L), ramp(24))
        .raw("ints", "I32", List.of(2L), new byte[] {1, 0, 0, 0, 0, 1, 0, 0})
        .write(file());
    Safetensors file = Safetensors.open(file());
    assertThat(size(file.matrix("vector"))).containsExactly(1, 3);
    assertThat(size(file.matrix("scalar"))).containsExactly(1, 1);
    assertThat(size(file.matrix("empty"))).containsExactly(0, 4);
    assertThat(size(file.matrix("cube"))).containsExactly(6, 4);
    assertThat(file.ints("ints")).containsExactly(1, 256);
    assertThat(file.shape("cube")).containsExactly(2L, 3L, 4L);
    assertThat(file.dtype("ints")).isEqualTo(StoredDtype.I32);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> file.matrix("ints"))
        .withMessageContaining("I32")
        .withMessageContaining("BF16, F16, F32");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> file.matrix("nowhere"))
        .withMessageContaining("nowhere");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> file.ints("cube"))
        .withMessageContaining("F32");
  }

  private static long[] size(HostMatrix matrix) {
    return new long[] {matrix.rows(), matrix.cols()};
  }

  @Test
  void truncatedFileSaysHowMuchIsMissing() throws IOException {
    new SafetensorsWriter().f32("f", List.of(2L, 3L), ramp(6)).write(file());
    try (RandomAccessFile raw = new RandomAccessFile(file().toFile(), "rw")) {
      raw.setLength(raw.length() - 1);
    }
    refused("truncated: its tensors need 24 bytes of data, the file has 23");
  }

  @Test
  void fileThatEndsInItsHeaderOrBeforeIsTruncated() throws IOException {
    new SafetensorsWriter().f32("f", List.of(2L, 3L), ramp(6)).write(file());
    byte[] whole = Files.readAllBytes(file());
    Files.write(file(), java.util.Arrays.copyOf(whole, 20));
    refused("truncated: the header needs");
    Files.write(file(), java.util.Arrays.copyOf(whole, 5));
    refused("only 5 bytes");
    Files.delete(file());
    refused("no such file");
  }

  @Test
  void headerLengthIsLimited() throws IOException {
    Files.write(file(), new byte[] {-1, -1, -1, -1, -1, -1, -1, -1, 0});
    refused("its header would have -1 bytes");
    Files.write(file(), new byte[] {1, (byte) 0xe1, (byte) 0xf5, 5, 0, 0, 0, 0, 0});
    refused("its header would have 100000001 bytes");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          overlap       | {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}} | 12 | tensor 'b' begins at byte 4, inside another tensor that ends at 8
          same range    | {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} | 8 | inside another tensor that ends at 8
          hole          | {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}} | 12 | tensor 'b' begins at byte 8, after a hole that begins at 4
          first hole    | {"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}} | 8 | after a hole that begins at 0
          tail          | {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} | 6 | 2 bytes after the last tensor
          wrong size    | {"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}} | 8 | needs 12 bytes, its data_offsets 0 to 8 hold 8
          backwards     | {"a":{"dtype":"F32","shape":[0],"data_offsets":[8,0]}} | 8 | hold -8
          dtype         | {"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}} | 1 | unknown dtype "F4"; accepted: BOOL
          no dtype      | {"a":{"shape":[2],"data_offsets":[0,1]}} | 1 | unknown dtype
          negative      | {"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}} | 8 | shape [-2]
          fraction      | {"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,10]}} | 10 | shape [2.5]
          offsets       | {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,16]}} | 8 | data_offsets [0,8,16]
          overflow      | {"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}} | 0 | too large
          twice         | {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}} | 8 | Duplicate field 'a'
          no JSON       | {"a":{"dtype" | 0 | not valid JSON
          no object     | [1,2,3] | 0 | not a JSON object
          two documents | {} {} | 0 | not valid JSON
          """)
  void brokenHeaderIsRefusedByName(String what, String header, int dataBytes, String message)
      throws IOException {
    SafetensorsWriter.write(file(), header, new byte[dataBytes]);
    refused(message);
  }

  private void refused(String message) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Safetensors.open(file()))
        .withMessageStartingWith("Cannot read safetensors file " + file())
        .withMessageContaining(message);
  }

  /** Small integers, which BF16 holds exactly up to 256. */
  private static float[] ramp(int size) {
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = i % 251 - 100;
    }
    return values;
  }
}
