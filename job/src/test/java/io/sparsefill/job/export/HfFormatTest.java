package io.sparsefill.job.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.job.export.SafetensorsFile.Tensor;
import io.sparsefill.job.read.CacheShape;
import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.model.Safetensors;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The oracle is the cache's own elements; files are read by the reader of checkpoints. */
class HfFormatTest {
  @TempDir Path temp;

  @ParameterizedTest
  @CsvSource({"1, BF16", "37, BF16", "48, FP16", "33, FP32"})
  void everyValueIsWhereTransformersLooksForIt(int tokens, KvDtype dtype) throws Exception {
    CacheShape shape = new CacheShape(tokens, 3, 2, 6, 16, dtype);
    CacheInMemory cache = CacheInMemory.of("a/b.txt", shape);
    Map<String, byte[]> files = Exports.files(new HfFormat(), cache, Map.of());
    assertThat(files).containsOnlyKeys("a%2Fb.txt.safetensors");
    byte[] bytes = files.get("a%2Fb.txt.safetensors");
    Safetensors file = Safetensors.open(Files.write(temp.resolve("file"), bytes));
    assertThat(file.names()).hasSize(1 + 2 * 3);
    for (int layer = 0; layer < 3; layer++) {
      compare(cache, CacheRows.Side.KEY, layer, file, "layers." + layer + ".keys");
      compare(cache, CacheRows.Side.VALUE, layer, file, "layers." + layer + ".values");
    }

    ByteBuffer header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    int start = 8 + (int) header.getLong();
    assertThat(start % 8).as("alignment of the data").isZero();
    assertThat(file.shape("input_ids")).containsExactly(1L, (long) tokens);
    long[] ids = new long[tokens];
    header.position(start).slice().order(ByteOrder.LITTLE_ENDIAN).asLongBuffer().get(ids);
    assertThat(ids).isEqualTo(Arrays.stream(cache.tokenIds()).asLongStream().toArray());
    JsonNode metadata =
        new ObjectMapper()
            .readTree(new String(bytes, 8, start - 8, StandardCharsets.UTF_8))
            .get("__metadata__");
    assertThat(metadata.get("doc_id").asText()).isEqualTo("a/b.txt");
    assertThat(metadata.get("format").asText()).isEqualTo("pt");
    assertThat(metadata.get("model_weights_sha256").asText()).isEqualTo("3e");
  }

  private static void compare(
      CacheInMemory cache, CacheRows.Side side, int layer, Safetensors file, String name) {
    CacheShape shape = cache.shape();
    assertThat(file.shape(name))
        .containsExactly(1L, (long) shape.tokens(), (long) shape.kvHeads(), (long) shape.headDim());
    HostMatrix rows = file.matrix(name);
    float[] row = new float[shape.headDim()];
    for (int token = 0; token < shape.tokens(); token++) {
      for (int head = 0; head < shape.kvHeads(); head++) {
        rows.read((long) token * shape.kvHeads() + head, 1, row, 0);
        for (int i = 0; i < row.length; i++) {
          assertThat(row[i]).isEqualTo(cache.element(side, layer, token, head, i));
        }
      }
    }
  }

  @Test
  void aLongLayerIsReadTwiceAndGivesTheSameFile() throws Exception {
    CacheShape shape = new CacheShape(100, 3, 2, 6, 16, KvDtype.BF16);
    CacheInMemory once = CacheInMemory.of("a", shape);
    CacheInMemory twice = CacheInMemory.of("a", shape);
    byte[] held = Exports.files(new HfFormat(), once, Map.of()).get("a.safetensors");
    byte[] streamed = Exports.files(new HfFormat(100), twice, Map.of()).get("a.safetensors");
    assertThat(streamed).isEqualTo(held);
    assertThat(once.blocksRead).isEqualTo(3 * 7);
    assertThat(twice.blocksRead).isEqualTo(2 * 3 * 7);
  }

  /** By hand, from the format's description. */
  @Test
  void theHeaderIsThatOfTheFormat() throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Tensor tensor = new Tensor("t", "F16", 2, List.of(1L, 2L));
    try (SafetensorsFile file = new SafetensorsFile(out, Map.of("k", "ü\""), List.of(tensor))) {
      file.write(new byte[] {1, 2});
      file.write(new byte[] {3, 4});
    }
    String header =
        "{\"__metadata__\":{\"k\":\"ü\\\"\"},"
            + "\"t\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[0,4]}}";
    int length = header.getBytes(StandardCharsets.UTF_8).length;
    int filled = (length + 7) / 8 * 8;
    ByteBuffer expected = ByteBuffer.allocate(8 + filled + 4).order(ByteOrder.LITTLE_ENDIAN);
    expected.putLong(filled);
    expected.put((header + " ".repeat(filled - length)).getBytes(StandardCharsets.UTF_8));
    expected.put(new byte[] {1, 2, 3, 4});
    assertThat(out.toByteArray()).isEqualTo(expected.array());
  }

  @Test
  void dataThatDoesNotFitTheHeaderIsAnError() {
    Tensor tensor = new Tensor("t", "F32", 4, List.of(3L));
    assertThatThrownBy(
            () -> {
              try (SafetensorsFile file =
                  new SafetensorsFile(new ByteArrayOutputStream(), Map.of(), List.of(tensor))) {
                file.write(new byte[8]);
              }
            })
        .isInstanceOf(IOException.class)
        .hasMessageContaining("got 8 bytes of data, its header says 12");
  }
}
