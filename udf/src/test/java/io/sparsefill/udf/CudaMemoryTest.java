package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.MemoryPlan;
import io.sparsefill.kernels.OutOfDeviceMemory;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.kernels.cuda.CudaBackend;
import io.sparsefill.udf.model.Checkpoint;
import io.sparsefill.udf.model.ModelConfig;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A pre-fill's memory on a GPU: it is what was planned, and what leaves it is all there. */
class CudaMemoryTest {
  @BeforeAll
  static void needsDevice() {
    SharedMaterial.orSkip(
        CudaBackend.unavailable().isEmpty(),
        "Skipped, no CUDA device: " + CudaBackend.unavailable().orElse(""));
  }

  private static int[] tokens(int count) {
    return new Random(count).ints(count, 0, 2048).toArray();
  }

  /** Oracle: the plan, which knows no device. */
  @ParameterizedTest
  @CsvSource({
    "resident, dense",
    "stream, dense",
    "resident, a-shape:128:1024",
    "resident, vertical-slash:100:800",
    "stream, minference",
    "resident, block-sparse:8",
    "resident, tri-shape:64:128:70",
    "resident, strided:64:128:3000",
    "resident, slash-only:300"
  })
  void staysInsideItsPlan(String weights, String attention) throws Exception {
    Path folder = SharedMaterial.model("needle-2m");
    EngineOptions options =
        TestOptions.of(folder).weights(weights).attention(attention).threads(4).build();
    ModelConfig config = ModelConfig.read(folder);
    AttentionPlan plan = AttentionPlan.parse(attention, null, config.layers(), config.heads());
    CudaBackend backend = new CudaBackend(2);
    CudaBackend uploader = new CudaBackend(2);
    DocumentMemory memory = new DocumentMemory(backend.sizes(), config, plan, options);
    try (ModelTensors model =
        new ModelTensors(uploader, Checkpoint.open(folder), options.streams(), true)) {
      assertThat(uploader.heldBytes()).isGreaterThanOrEqualTo(memory.weights().total());
      long held = 0;
      for (int count : new int[] {1, 65, 3000, 20_000, 700}) {
        long before = backend.peakReservedBytes();
        MemoryPlan planned = memory.plan(count, 0);
        new Prefill(backend, model, plan, options, new KeptLines(plan))
            .run(tokens(count), new KvCollector());
        assertThat(backend.beyondReserved()).as("%d tokens", count).isZero();
        assertThat(backend.peakReservedBytes())
            .as("%d tokens", count)
            .isLessThanOrEqualTo(Math.max(before, planned.total()));
        if (count == 20_000) {
          long transients =
              planned.items().stream()
                  .filter(item -> item.what().matches("attention index|token ids|frequencies.*"))
                  .mapToLong(MemoryPlan.Item::bytes)
                  .sum();
          assertThat(backend.peakReservedBytes())
              .as("the tensors of the plan are all there")
              .isGreaterThanOrEqualTo(planned.total() - transients);
          held = backend.heldBytes();
        }
      }
      assertThat(backend.heldBytes()).as("kept for the next document").isEqualTo(held);
      assertThat(held).isGreaterThan(memory.plan(20_000, 0).total());
    } finally {
      backend.close();
    }
    assertThat(backend.heldBytes()).isZero();
    assertThat(uploader.heldBytes()).isZero();
  }

  /** Oracle: the plan, which knows no device. */
  @ParameterizedTest
  @CsvSource({"resident, dense", "stream, minference"})
  void aKeptCacheStaysInsideItsPlan(String weights, String attention) throws Exception {
    Path folder = SharedMaterial.model("needle-2m");
    EngineOptions options = TestOptions.of(folder).weights(weights).attention(attention).build();
    ModelConfig config = ModelConfig.read(folder);
    AttentionPlan plan = AttentionPlan.parse(attention, null, config.layers(), config.heads());
    try (CudaBackend backend = new CudaBackend(2);
        ModelTensors model =
            new ModelTensors(
                new CudaBackend(2), Checkpoint.open(folder), options.streams(), true)) {
      DocumentMemory memory = new DocumentMemory(backend.sizes(), config, plan, options);
      for (int count : new int[] {1, 65, 10_000}) {
        MemoryPlan planned = memory.plan(count, 150);
        try (KeptCache cache =
            new Prefill(backend, model, plan, options, new KeptLines(plan))
                .keep(tokens(count), new KvCollector(), 150, () -> {})) {
          cache.extend(tokens(150), 150);
          cache.rewind(count + 1);
          cache.extend(tokens(70), 1);
        }
        assertThat(backend.beyondReserved()).as("%d tokens", count).isZero();
        assertThat(backend.peakReservedBytes())
            .as("%d tokens", count)
            .isLessThanOrEqualTo(planned.total());
      }
    }
  }

  @Test
  void aDocumentThatCannotFitIsRefusedAndTheNextOneIsReserved() {
    Path folder = SharedMaterial.model("needle-2m");
    EngineOptions options = TestOptions.of(folder).build();
    ModelConfig config = ModelConfig.read(folder);
    AttentionPlan plan = AttentionPlan.parse("dense", null, config.layers(), config.heads());
    try (CudaBackend backend = new CudaBackend(1)) {
      DocumentMemory memory = new DocumentMemory(backend.sizes(), config, plan, options);
      long held = backend.heldBytes();
      assertThatThrownBy(() -> memory.reserve(backend, 1 << 30, 0))
          .isInstanceOf(OutOfDeviceMemory.class)
          .hasMessageContaining("hidden states, 1073741824 tokens 384.00 GiB")
          .hasMessageContaining("tokens would fit");
      assertThat(backend.heldBytes()).isEqualTo(held);
      memory.reserve(backend, 1000, 0);
      assertThat(backend.heldBytes()).isEqualTo(held + memory.plan(1000, 0).total());
    }
  }

  /**
   * Keys and values of a document that leaves in several pieces. Oracle: the layer as one block
   * from resident weights, cut by hand.
   */
  @ParameterizedTest
  @CsvSource({
    "resident, 64, FP32",
    "stream, 1000, FP32",
    "resident, 30000, BF16",
    "resident, 1000, FP8"
  })
  void blocksAreThoseOfTheWholeLayer(String weights, int blockTokens, KvDtype dtype)
      throws Exception {
    int count = 70_001;
    TestOptions options =
        TestOptions.of(SharedMaterial.model("needle-2m"))
            .backend("cuda")
            .attention("a-shape:64:256")
            .emit(Emit.KV)
            .dtype(dtype)
            .threads(4);
    KvCollector whole = new KvCollector();
    options.blockTokens(count).prefill(tokens(count), whole);
    KvCollector cut = new KvCollector();
    options.weights(weights).blockTokens(blockTokens).prefill(tokens(count), cut);
    int perLayer = (count + blockTokens - 1) / blockTokens;
    assertThat(cut.blocks()).hasSize(whole.blocks().size() * perLayer);
    for (KvBlock block : cut.blocks()) {
      KvBlock layer = whole.blocks().get(block.layer());
      int rowBytes = layer.key().length / count;
      int at = block.tokenStart() * rowBytes;
      int bytes = block.tokenCount() * rowBytes;
      assertThat(ByteBuffer.wrap(block.key())).isEqualTo(ByteBuffer.wrap(layer.key(), at, bytes));
      assertThat(ByteBuffer.wrap(block.value()))
          .isEqualTo(ByteBuffer.wrap(layer.value(), at, bytes));
      if (dtype.scaled()) {
        int scaleBytes = layer.keyScale().length / count;
        int scale = block.tokenStart() * scaleBytes;
        int scales = block.tokenCount() * scaleBytes;
        assertThat(ByteBuffer.wrap(block.keyScale()))
            .isEqualTo(ByteBuffer.wrap(layer.keyScale(), scale, scales));
        assertThat(ByteBuffer.wrap(block.valueScale()))
            .isEqualTo(ByteBuffer.wrap(layer.valueScale(), scale, scales));
      }
      assertThat(block.intact()).isTrue();
    }
  }
}
