package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.cpu.CpuBackend;
import io.sparsefill.udf.model.ModelConfig;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The blocks that a sink gets: order, ranges, bytes, checksums, element types. */
class KvBlocksTest {
  private static final TinyModel TINY = new TinyModel(3, 300);
  private static final int TOKENS = 777;
  private static final int WIDTH = TinyModel.KV_HEADS * TinyModel.HEAD_DIM;

  @TempDir Path folder;

  private Path model;

  @BeforeEach
  void write() {
    model = TINY.write(folder);
  }

  private List<KvBlock> blocks(int blockTokens, KvDtype dtype) throws Exception {
    KvCollector kv = new KvCollector();
    TestOptions.of(model)
        .emit(Emit.KV)
        .blockTokens(blockTokens)
        .dtype(dtype)
        .prefill(TINY.tokens(TOKENS), kv);
    return kv.blocks();
  }

  /** Oracle: the whole layer as one block, cut by hand. */
  @ParameterizedTest
  @ValueSource(ints = {1, 16, 64, 256, 1000})
  void comeLayerByLayerAndBlockByBlock(int blockTokens) throws Exception {
    List<KvBlock> whole = blocks(TOKENS, KvDtype.BF16);
    assertThat(whole).hasSize(TINY.layers());
    List<KvBlock> blocks = blocks(blockTokens, KvDtype.BF16);
    int at = 0;
    for (int layer = 0; layer < TINY.layers(); layer++) {
      for (int start = 0; start < TOKENS; start += blockTokens) {
        KvBlock block = blocks.get(at++);
        int count = Math.min(blockTokens, TOKENS - start);
        assertThat(block.layer()).isEqualTo(layer);
        assertThat(block.block()).isEqualTo(start / blockTokens);
        assertThat(block.tokenStart()).isEqualTo(start);
        assertThat(block.tokenCount()).isEqualTo(count);
        assertThat(block.dtype()).isEqualTo(KvDtype.BF16);
        assertThat(block.key()).isEqualTo(cut(whole.get(layer).key(), start, count));
        assertThat(block.value()).isEqualTo(cut(whole.get(layer).value(), start, count));
        assertThat(block.crc32c()).isEqualTo(crc(block));
      }
    }
    assertThat(blocks).hasSize(at);
  }

  /** Oracle: the same blocks when a layer leaves in one piece. */
  @ParameterizedTest
  @CsvSource({
    "1, 16, BF16",
    "1, 1000, BF16",
    "7, 16, FP8",
    "7, 1000, BF16",
    "33, 256, FP8",
    "100, 16, BF16",
    "256, 256, BF16",
    "700, 64, FP8"
  })
  void areTheSameWhateverPiecesRowsLeaveIn(int pieceRows, int blockTokens, KvDtype dtype)
      throws Exception {
    EngineOptions options =
        TestOptions.of(model).dtype(dtype).blockTokens(blockTokens).threads(3).build();
    KvCollector expected = new KvCollector();
    KvCollector actual = new KvCollector();
    try (RecordedPrefill recorded = new RecordedPrefill(options)) {
      recorded.run(TINY.tokens(TOKENS), expected);
      int held = recorded.backend.open();
      recorded.backend.limitPackedRows(pieceRows);
      AtomicInteger most = new AtomicInteger();
      recorded.run(
          TINY.tokens(TOKENS),
          block -> {
            most.accumulateAndGet(recorded.backend.packed(), Math::max);
            actual.accept(block);
          });
      assertThat(recorded.backend.open()).isEqualTo(held);
      assertThat(most).as("packed rows open at once: three pieces").hasValueLessThanOrEqualTo(6);
    }
    assertThat(actual.contents()).isEqualTo(expected.contents());
  }

  /**
   * A block that leaves in several pieces names its first bad value: keys before values, and rows
   * counted from the block's begin.
   */
  @ParameterizedTest
  @ValueSource(ints = {1, 5, 64, 777})
  void aBadValueIsNamedWhateverPiecesRowsLeaveIn(int pieceRows) throws Exception {
    int bad = 500;
    int[] tokens = TINY.tokens(TOKENS);
    Arrays.setAll(tokens, i -> i < bad ? i % 200 : 200 + i % 90);
    // From token 500 on nothing of the only layer is finite; with KV alone it ends before
    // attention.
    model =
        new TinyModel(1, 300)
            .write(
                folder,
                (name, values) -> {
                  if (name.equals("model.embed_tokens")) {
                    int hidden = values.length / 300;
                    Arrays.fill(values, 200 * hidden, 290 * hidden, Float.NaN);
                  }
                });
    EngineOptions options = TestOptions.of(model).emit(Emit.KV).blockTokens(300).threads(3).build();
    KvCollector taken = new KvCollector();
    try (RecordedPrefill recorded = new RecordedPrefill(options)) {
      recorded.backend.limitPackedRows(pieceRows);
      assertThatThrownBy(() -> recorded.run(tokens, taken))
          .isInstanceOf(ArithmeticException.class)
          .hasMessage(
              "Layer 0, keys from token 300 on: Cannot store row 200, column 0: it is NaN;"
                  + " check the model's weights");
    }
    assertThat(taken.blocks()).as("the block before").hasSize(1);
  }

  @Test
  void blocksThatNoArrayHoldsAreRefused() {
    Buffers.Sized rows = new Buffers.Sized(1 << 20, 1024);
    try (CpuBackend backend = new CpuBackend(1)) {
      assertThatThrownBy(
              () -> new LayerBlocks(backend, null, 0, rows, rows, KvDtype.BF16, 64, 1 << 20))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("2,147,483,648 bytes")
          .hasMessageContaining("--block-tokens");
    }
  }

  private static byte[] cut(byte[] layer, int start, int count) {
    byte[] part = new byte[count * WIDTH * 2];
    System.arraycopy(layer, start * WIDTH * 2, part, 0, part.length);
    return part;
  }

  private static long crc(KvBlock block) {
    CRC32C crc = new CRC32C();
    crc.update(
        ByteBuffer.allocate(2 * block.key().length).put(block.key()).put(block.value()).flip());
    return crc.getValue();
  }

  /** Oracle: fp32 blocks. bf16 has 8 significant bits, fp16 has 11. */
  @ParameterizedTest
  @EnumSource(
      value = KvDtype.class,
      names = {"BF16", "FP16"})
  void sixteenBitsAreTheRoundedFp32(KvDtype dtype) throws Exception {
    double relative = dtype == KvDtype.BF16 ? 0x1p-8 : 0x1p-11;
    List<KvBlock> exact = blocks(100, KvDtype.FP32);
    List<KvBlock> rounded = blocks(100, dtype);
    assertThat(rounded).hasSameSizeAs(exact);
    for (int b = 0; b < exact.size(); b++) {
      compare(rounded.get(b).key(), exact.get(b).key(), dtype, relative);
      compare(rounded.get(b).value(), exact.get(b).value(), dtype, relative);
    }
  }

  /**
   * Oracle: fp32 blocks. A 448th of a head's largest number is its scale; a number is rounded by a
   * 16th of itself, or by 2^-10 scales when it is small.
   */
  @Test
  void fp8IsTheRoundedFp32WithAScaleForEachTokenAndHead() throws Exception {
    List<KvBlock> exact = blocks(100, KvDtype.FP32);
    List<KvBlock> rounded = blocks(100, KvDtype.FP8);
    assertThat(rounded).hasSameSizeAs(exact);
    for (int b = 0; b < exact.size(); b++) {
      KvBlock block = rounded.get(b);
      assertThat(block.dtype()).isEqualTo(KvDtype.FP8);
      assertThat(block.bytes())
          .isEqualTo(
              2
                  * block.tokenCount()
                  * KvDtype.FP8.tokenBytes(TinyModel.KV_HEADS, TinyModel.HEAD_DIM));
      compareFp8(KvNumbers.keys(block), block.keyScale(), KvNumbers.keys(exact.get(b)));
      compareFp8(KvNumbers.values(block), block.valueScale(), KvNumbers.values(exact.get(b)));
      CRC32C crc = new CRC32C();
      for (byte[] part :
          List.of(block.key(), block.value(), block.keyScale(), block.valueScale())) {
        crc.update(part);
      }
      assertThat(block.crc32c()).isEqualTo(crc.getValue());
      assertThat(block.intact()).isTrue();
      block.valueScale()[3] ^= 1;
      assertThat(block.intact()).as("with a scale changed").isFalse();
    }
  }

  private static void compareFp8(KvNumbers rounded, byte[] scaleBytes, KvNumbers exact) {
    assertThat(rounded.count()).isEqualTo(exact.count());
    ByteBuffer scales = ByteBuffer.wrap(scaleBytes).order(ByteOrder.LITTLE_ENDIAN);
    int d = TinyModel.HEAD_DIM;
    for (int head = 0; head < exact.count() / d; head++) {
      float largest = 0;
      for (int i = head * d; i < (head + 1) * d; i++) {
        largest = Math.max(largest, Math.abs(exact.at(i)));
      }
      float scale = scales.getFloat();
      assertThat(scale).isEqualTo((float) (largest / 448.0));
      for (int i = head * d; i < (head + 1) * d; i++) {
        double allowed = Math.max(Math.abs(exact.at(i)) / 16, scale / 1024);
        assertThat((double) rounded.at(i)).isCloseTo(exact.at(i), within(allowed * 1.00001));
      }
    }
    assertThat(scales.hasRemaining()).isFalse();
  }

  @Test
  void numbersWithoutTheirScalesAreRefused() {
    assertThatThrownBy(() -> KvNumbers.of(KvDtype.FP8, new byte[8], null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Cannot read 8 elements of fp8 with 0 scales");
    assertThatThrownBy(() -> KvNumbers.of(KvDtype.FP8, new byte[8], new byte[12]))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> KvNumbers.of(KvDtype.BF16, new byte[8], new byte[4]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("4 elements of bf16 with 1 scales");
    assertThat(KvNumbers.of(KvDtype.FP8, new byte[0], new byte[0]).count()).isZero();
  }

  private static void compare(byte[] rounded, byte[] exact, KvDtype dtype, double relative) {
    ByteBuffer shorts = ByteBuffer.wrap(rounded).order(ByteOrder.LITTLE_ENDIAN);
    ByteBuffer floats = ByteBuffer.wrap(exact).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(2 * rounded.length).isEqualTo(exact.length);
    while (floats.hasRemaining()) {
      float expected = floats.getFloat();
      short bits = shorts.getShort();
      float actual = dtype == KvDtype.BF16 ? HalfFloats.fromBf16(bits) : HalfFloats.fromFp16(bits);
      assertThat((double) actual)
          .isCloseTo(expected, within(Math.abs(expected) * relative + 0x1p-25));
    }
  }

  /** Oracle: the first value beyond 65504 in the fp32 blocks. */
  @Test
  void fp16OverflowNamesLayerAndValue() throws Exception {
    model =
        TINY.write(
            folder,
            (name, values) -> {
              for (int i = 0;
                  name.equals("model.layers.1.self_attn.v_proj") && i < values.length;
                  i++) {
                values[i] *= 20_000;
              }
            });
    KvCollector exact = new KvCollector();
    TestOptions.of(model).emit(Emit.KV).blockTokens(100).prefill(TINY.tokens(TOKENS), exact);
    KvBlock first = null;
    float value = 0;
    for (KvBlock block : exact.blocks()) {
      ByteBuffer floats = ByteBuffer.wrap(block.value()).order(ByteOrder.LITTLE_ENDIAN);
      while (first == null && floats.hasRemaining()) {
        value = floats.getFloat();
        first = Math.abs(value) >= 65520 ? block : null;
      }
    }
    assertThat(first).as("a block with an overflow").isNotNull();
    assertThat(first.layer()).isEqualTo(1);
    String expected =
        "Layer 1, values from token %d on: Cannot store %g as fp16"
            .formatted(first.tokenStart(), value);
    assertThatThrownBy(() -> blocks(100, KvDtype.FP16))
        .isInstanceOf(ArithmeticException.class)
        .hasMessageStartingWith(expected)
        .hasMessageContaining("--kv-dtype bf16");
    assertThat(blocks(100, KvDtype.BF16)).hasSameSizeAs(exact.blocks());
  }

  @ParameterizedTest
  @EnumSource(KvDtype.class)
  void whatIsNotFiniteIsNotStored(KvDtype dtype) {
    model =
        TINY.write(
            folder,
            (name, values) -> {
              if (name.equals("model.layers.2.self_attn.k_proj")) {
                values[0] = Float.NaN;
              }
            });
    assertThatThrownBy(() -> blocks(100, dtype))
        .isInstanceOf(ArithmeticException.class)
        .hasMessage(
            "Layer 2, keys from token 0 on: Cannot store row 0, column 0: it is NaN;"
                + " check the model's weights");
  }

  /** Oracle: RoPE turns a key and keeps its length; values are not turned. */
  @Test
  void keysAreStoredAfterRope() throws Exception {
    int[] same = new int[70];
    KvCollector kv = new KvCollector();
    TestOptions.of(model).emit(Emit.KV).prefill(same, kv);
    ModelConfig config = ModelConfig.read(model);
    float[] keys = kv.layer(0, true, config, same.length);
    float[] values = kv.layer(0, false, config, same.length);
    int d = TinyModel.HEAD_DIM;
    for (int t = 1; t < same.length; t++) {
      double turned = 0;
      double first = 0;
      double later = 0;
      for (int i = 0; i < d; i++) {
        turned += Math.abs(keys[t * d + i] - keys[i]);
        first += Math.pow(keys[i], 2);
        later += Math.pow(keys[t * d + i], 2);
        assertThat(values[t * d + i]).isCloseTo(values[i], within(1e-5f));
      }
      assertThat(turned).isGreaterThan(0.1);
      assertThat(later).isCloseTo(first, within(1e-5 * first));
    }
  }
}
