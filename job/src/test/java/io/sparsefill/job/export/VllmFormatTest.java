package io.sparsefill.job.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.job.read.CacheShape;
import io.sparsefill.kernels.KvDtype;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Oracles: a reader of safetensors written from its description, the cache itself, and for names
 * Python's hashlib.
 */
class VllmFormatTest {
  private static final CacheFormat VLLM = new VllmFormat();

  /** 53 tokens in blocks of 20: the 48 that vLLM stores end inside one of them. */
  private static CacheShape shape(KvDtype dtype) {
    return new CacheShape(53, 3, 2, 4, 20, dtype);
  }

  @ParameterizedTest
  @EnumSource(names = {"BF16", "FP16", "FP32"})
  void packedTensorsHaveKeyAndValueOfAHeadSideBySide(KvDtype dtype) throws IOException {
    CacheInMemory cache = CacheInMemory.of("d", shape(dtype));
    Map<String, byte[]> files = Exports.files(VLLM, cache, Map.of());
    checkPacked(cache, files, 48);
  }

  static void checkPacked(CacheInMemory cache, Map<String, byte[]> files, int tokens)
      throws IOException {
    CacheShape shape = cache.shape();
    int heads = shape.kvHeads();
    int dim = shape.headDim();
    assertThat(files).hasSize(shape.layers());
    for (int layer = 0; layer < shape.layers(); layer++) {
      byte[] data = tensor(file(files, layer), shape.dtype(), tokens, heads, 2 * dim);
      float[] expected = new float[tokens * heads * 2 * dim];
      for (int i = 0; i < expected.length; i++) {
        int token = i / (heads * 2 * dim);
        int head = i / (2 * dim) % heads;
        CacheRows.Side side = i % (2 * dim) < dim ? CacheRows.Side.KEY : CacheRows.Side.VALUE;
        expected[i] = cache.element(side, layer, token, head, i % dim);
      }
      assertThat(Elements.all(data, shape.dtype())).isEqualTo(expected);
    }
  }

  @Test
  void splitTensorsHaveAllKeysFirst() throws IOException {
    CacheInMemory cache = CacheInMemory.of("d", shape(KvDtype.BF16));
    Map<String, byte[]> files =
        Exports.files(VLLM, cache, Map.of("layout", "split", "block-size", "7"));
    for (int layer = 0; layer < 3; layer++) {
      byte[] data = tensor(file(files, layer), KvDtype.BF16, 2, 49, 2, 4);
      float[] elements = Elements.all(data, KvDtype.BF16);
      int half = elements.length / 2;
      assertThat(Arrays.copyOf(elements, half))
          .isEqualTo(cache.elements(CacheRows.Side.KEY, layer, 0, 49, 0, 2));
      assertThat(Arrays.copyOfRange(elements, half, 2 * half))
          .isEqualTo(cache.elements(CacheRows.Side.VALUE, layer, 0, 49, 0, 2));
    }
  }

  /** Oracle: hashlib.md5 over numpy's int64 of 128000..128015, and the header by hand. */
  @Test
  void folderIsPythonsMd5OfInt64AndHeaderIsAsByHand() throws IOException {
    CacheInMemory cache =
        new CacheInMemory(
            "d",
            new CacheShape(17, 1, 1, 2, 256, KvDtype.BF16),
            IntStream.range(128000, 128017).toArray());
    Map<String, byte[]> files = Exports.files(VLLM, cache, Map.of());
    String path = "a199df6f4599202f471ac6abff3e6bd2/model.layers.0.self_attn.attn.safetensors";
    assertThat(files).containsOnlyKeys(path);
    String json =
        "{\"__metadata__\":{},"
            + "\"kv_cache\":{\"dtype\":\"BF16\",\"shape\":[16,1,4],\"data_offsets\":[0,128]}}";
    assertThat(json).hasSize(87);
    byte[] header = Arrays.copyOf(files.get(path), 8 + 88);
    assertThat(header)
        .isEqualTo(("X\0\0\0\0\0\0\0" + json + " ").getBytes(StandardCharsets.US_ASCII));
    assertThat(files.get(path)).hasSize(8 + 88 + 128);
  }

  /** vLLM leaves out the prompt's last token, so 17 tokens are the fewest of which it stores 16. */
  @ParameterizedTest
  @ValueSource(ints = {1, 15, 16})
  void nothingIsWrittenOfADocumentThatDoesNotGoBeyondABlock(int tokens) throws IOException {
    CacheInMemory cache = CacheInMemory.of("d", new CacheShape(tokens, 1, 1, 2, 256, KvDtype.BF16));
    assertThat(Exports.files(VLLM, cache, Map.of())).isEmpty();
  }

  @Test
  void layersAreNamedAsTheModelsTypeOrTheUserNamesThem() throws IOException {
    CacheInMemory cache = CacheInMemory.of("d", new CacheShape(32, 1, 1, 2, 256, KvDtype.BF16));
    assertThat(Exports.files(VLLM, cache, Map.of("identity.model_type", "chatglm")).keySet())
        .allMatch(
            path -> path.endsWith("/transformer.encoder.layers.0.self_attention.attn.safetensors"));
    assertThat(Exports.files(VLLM, cache, Map.of("layer-name", "text.{layer}.attn")).keySet())
        .allMatch(path -> path.endsWith("/text.0.attn.safetensors"));
  }

  @Test
  void badSettingsAreRefusedByName() {
    CacheInMemory cache = CacheInMemory.of("d", shape(KvDtype.BF16));
    assertThatThrownBy(() -> Exports.files(VLLM, cache, Map.of("block-size", "0")))
        .hasMessage("Cannot use --set block-size=0: it must be at least 1");
    assertThatThrownBy(() -> Exports.files(VLLM, cache, Map.of("layout", "nhd")))
        .hasMessage("Cannot use --set layout=nhd: accepted are packed, split");
    assertThatThrownBy(() -> Exports.files(VLLM, cache, Map.of("layer-name", "layers.0")))
        .hasMessageContaining("it must have {layer} in the place of the layer's number");
  }

  private static byte[] file(Map<String, byte[]> files, int layer) {
    return files.entrySet().stream()
        .filter(file -> file.getKey().contains("/model.layers." + layer + ".self_attn.attn.safe"))
        .map(Map.Entry::getValue)
        .findFirst()
        .orElseThrow();
  }

  /** The data of the one tensor of a safetensors file, its header checked. */
  private static byte[] tensor(byte[] file, KvDtype dtype, int... sizes) throws IOException {
    int length = Math.toIntExact(ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong());
    assertThat((8 + length) % 8).isZero();
    JsonNode header = new ObjectMapper().readTree(file, 8, length);
    assertThat(header).hasSize(2);
    JsonNode tensor = header.get("kv_cache");
    assertThat(tensor.get("dtype").asText())
        .isEqualTo(
            Map.of(KvDtype.BF16, "BF16", KvDtype.FP16, "F16", KvDtype.FP32, "F32").get(dtype));
    assertThat(new ObjectMapper().convertValue(tensor.get("shape"), int[].class)).isEqualTo(sizes);
    byte[] data = Arrays.copyOfRange(file, 8 + length, file.length);
    assertThat(data).hasSize(Arrays.stream(sizes).reduce(dtype.bytes(), (a, b) -> a * b));
    assertThat(tensor.get("data_offsets").get(0).asInt()).isZero();
    assertThat(tensor.get("data_offsets").get(1).asInt()).isEqualTo(data.length);
    return data;
  }
}
