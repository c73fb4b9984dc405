package io.sparsefill.job.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.read.CacheShape;
import io.sparsefill.kernels.KvDtype;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Oracles: a reader of llama.cpp's state written from its source, and the cache itself. */
class LlamacppFormatTest {
  private static final CacheFormat LLAMACPP = new LlamacppFormat();

  private static CacheShape shape(KvDtype dtype) {
    return new CacheShape(53, 3, 2, 6, 20, dtype);
  }

  /** Every pair of stored and written type; the numbers are exact in all of them. */
  @ParameterizedTest
  @CsvSource({
    "BF16, f16",
    "BF16, bf16",
    "BF16, f32",
    "FP16, f16",
    "FP16, bf16",
    "FP16, f32",
    "FP32, f16",
    "FP32, bf16",
    "FP32, f32"
  })
  void everyValueIsThereKeysOfLlamaAsNeighbours(KvDtype stored, String written) throws IOException {
    CacheInMemory cache = CacheInMemory.of("a/b", shape(stored));
    Map<String, byte[]> files = Exports.files(LLAMACPP, cache, Map.of("type", written));
    assertThat(files).containsOnlyKeys("a%2Fb.ggsq");
    check(cache, files.get("a%2Fb.ggsq"), written);
  }

  /** A file of a model whose keys are reordered. */
  static void check(CacheInMemory cache, byte[] file, String written) {
    CacheShape shape = cache.shape();
    State state = State.read(file);
    KvDtype dtype = KvDtype.of(written.startsWith("f") ? written.replace("f", "fp") : written);
    assertThat(state.version).isEqualTo(3);
    assertThat(state.tokens).isEqualTo(cache.tokenIds());
    assertThat(state.types).containsOnly(Map.of("f32", 0, "f16", 1, "bf16", 30).get(written));
    assertThat(state.keys.length).isEqualTo(shape.layers());
    int dim = shape.headDim();
    for (int layer = 0; layer < shape.layers(); layer++) {
      float[] values =
          cache.elements(CacheRows.Side.VALUE, layer, 0, shape.tokens(), 0, shape.kvHeads());
      float[] keys =
          cache.elements(CacheRows.Side.KEY, layer, 0, shape.tokens(), 0, shape.kvHeads());
      float[] neighbours = new float[keys.length];
      for (int i = 0; i < keys.length; i++) {
        // RoPE's pair (j, j + D/2) of a head is llama.cpp's pair (2j, 2j + 1).
        int j = i % dim;
        neighbours[i - j + (j < dim / 2 ? 2 * j : 2 * j - dim + 1)] = keys[i];
      }
      assertThat(Elements.all(state.values[layer], dtype)).isEqualTo(values);
      assertThat(Elements.all(state.keys[layer], dtype)).isEqualTo(neighbours);
    }
  }

  @ParameterizedTest
  @CsvSource({"qwen2", "qwen3", "phi3", "glm", "chatglm"})
  void keysOfOtherFamiliesKeepTheirOrder(String type) throws IOException {
    CacheInMemory cache = CacheInMemory.of("d", shape(KvDtype.FP16));
    State state =
        State.read(
            Exports.files(LLAMACPP, cache, Map.of("identity.model_type", type)).get("d.ggsq"));
    assertThat(Elements.all(state.keys[2], KvDtype.FP16))
        .isEqualTo(cache.elements(CacheRows.Side.KEY, 2, 0, 53, 0, 2));
  }

  /** Builds before v0.4.0 take version 2 only; v0.4.0 and v0.5.0 refuse it. */
  @Test
  void theVersionThatABuildTakesCanBeChosen() throws IOException {
    CacheInMemory cache = CacheInMemory.of("d", shape(KvDtype.FP16));
    byte[] three = Exports.files(LLAMACPP, cache, Map.of()).get("d.ggsq");
    byte[] two = Exports.files(LLAMACPP, cache, Map.of("state-version", "2")).get("d.ggsq");
    assertThat(State.read(two).version).isEqualTo(2);
    two[4] = 3;
    assertThat(two).isEqualTo(three);
  }

  /** Oracle: the bytes of two tokens and one layer with one head of two elements, by hand. */
  @Test
  void bytesAreAsByHand() throws IOException {
    CacheInMemory cache =
        new CacheInMemory(
            "d", new CacheShape(2, 1, 1, 2, 256, KvDtype.FP32), new int[] {258, 128000});
    for (int i = 0; i < 4; i++) {
      cache.set(CacheRows.Side.KEY, 0, i / 2, 0, i % 2, i + 1);
      cache.set(CacheRows.Side.VALUE, 0, i / 2, 0, i % 2, -i - 1);
    }
    byte[] file = Exports.files(LLAMACPP, cache, Map.of()).get("d.ggsq");
    assertThat(HexFormat.of().formatHex(file))
        .isEqualTo(
            "71736767" // magic
                + "03000000" // version
                + "02000000" // tokens
                + "02010000" // 258
                + "00f40100" // 128000
                + "01000000" // streams
                + "02000000" // cells
                + "00000000" // position 0
                + "01000000" // of one sequence
                + "00000000" // which is number 0
                + "01000000" // position 1
                + "01000000"
                + "00000000"
                + "00000000" // values are not transposed
                + "01000000" // layers
                + "01000000" // keys are F16
                + "0400000000000000" // bytes of a row
                + "003c0040" // 1, 2
                + "00420044" // 3, 4
                + "01000000" // values are F16
                + "0400000000000000"
                + "00bc00c0"
                + "00c200c4");
  }

  @Test
  void numbersBeyondFp16AreRefusedWithWhereTheyAreAndWhatHelps() {
    CacheInMemory cache = CacheInMemory.of("d", shape(KvDtype.FP32));
    cache.set(CacheRows.Side.VALUE, 1, 41, 0, 0, 65520);
    assertThatThrownBy(() -> Exports.files(LLAMACPP, cache, Map.of()))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith(
            "Cannot write layer 1, tokens from 40, as f16: 65520.0 is beyond fp16's 65504; use"
                + " --set type=bf16");
  }

  @Test
  void unknownFamiliesAndHalfTurnedHeadsAreRefused() {
    CacheInMemory cache = CacheInMemory.of("d", shape(KvDtype.BF16));
    assertThatThrownBy(() -> Exports.files(LLAMACPP, cache, Map.of("identity.model_type", "gemma")))
        .hasMessageStartingWith("Cannot export a model of type gemma to llama.cpp");
    assertThatThrownBy(() -> Exports.files(LLAMACPP, cache, Map.of("identity.rotary_dim", "4")))
        .hasMessageContaining("RoPE turns 4 of 6 elements");
    assertThatThrownBy(() -> Exports.files(LLAMACPP, cache, Map.of("type", "q8_0")))
        .hasMessage("Cannot use --set type=q8_0: accepted are f16, bf16, f32");
  }

  @ParameterizedTest
  @EnumSource
  void typesAreConvertedToNearestEven(GgmlType type) {
    float number = 1 + 0x1p-7f + 0x1p-8f + 0x1p-11f + 0x1p-23f;
    byte[] bytes = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putFloat(number).array();
    float expected =
        switch (type) {
          case F32 -> number;
          case F16 -> 1 + 0x1p-7f + 0x1p-8f + 0x1p-10f;
          case BF16 -> 1 + 0x1p-6f;
        };
    KvDtype dtype =
        switch (type) {
          case F32 -> KvDtype.FP32;
          case F16 -> KvDtype.FP16;
          case BF16 -> KvDtype.BF16;
        };
    assertThat(Elements.at(type.convert(bytes, KvDtype.FP32), 0, dtype)).isEqualTo(expected);
  }

  /** A sequence file, read as llama.cpp does it: in order, every count checked. */
  private record State(int version, int[] tokens, int[] types, byte[][] keys, byte[][] values) {
    static State read(byte[] file) {
      ByteBuffer in = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
      assertThat(in.getInt()).isEqualTo('g' << 24 | 'g' << 16 | 's' << 8 | 'q');
      int version = in.getInt();
      int[] tokens = new int[in.getInt()];
      Arrays.setAll(tokens, i -> in.getInt());
      assertThat(in.getInt()).as("streams").isEqualTo(1);
      assertThat(in.getInt()).as("cells").isEqualTo(tokens.length);
      for (int cell = 0; cell < tokens.length; cell++) {
        assertThat(in.getInt()).as("position").isEqualTo(cell);
        assertThat(in.getInt()).as("sequences").isEqualTo(1);
        assertThat(in.getInt()).as("sequence").isZero();
      }
      assertThat(in.getInt()).as("transposed").isZero();
      int layers = in.getInt();
      int[] types = new int[2 * layers];
      byte[][] all = new byte[2 * layers][];
      for (int i = 0; i < all.length; i++) {
        types[i] = in.getInt();
        all[i] = new byte[Math.toIntExact(in.getLong() * tokens.length)];
        in.get(all[i]);
      }
      assertThat(in.hasRemaining()).isFalse();
      return new State(
          version,
          tokens,
          types,
          Arrays.copyOf(all, layers),
          Arrays.copyOfRange(all, layers, 2 * layers));
    }
  }
}
