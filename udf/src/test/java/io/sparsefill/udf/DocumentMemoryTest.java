package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.DeviceSizes;
import io.sparsefill.kernels.MemoryPlan;
import io.sparsefill.kernels.OutOfDeviceMemory;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.kernels.cuda.CudaBackend;
import io.sparsefill.udf.model.ModelConfig;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a document takes on a GPU, computed without one. */
class DocumentMemoryTest {
  private static final long MIB = 1 << 20;
  private static final long GIB = 1 << 30;

  @TempDir Path folder;

  /** Shapes of Llama-3-8B; no weights are needed to plan. */
  @BeforeEach
  void write() throws IOException {
    Files.writeString(
        folder.resolve("config.json"),
        """
        {"model_type":"llama","hidden_size":4096,"intermediate_size":14336,"num_hidden_layers":32,
         "num_attention_heads":32,"num_key_value_heads":8,"head_dim":128,"vocab_size":128256,
         "max_position_embeddings":1048576,"rms_norm_eps":1e-5,"rope_theta":500000.0,
         "tie_word_embeddings":false}
        """);
  }

  private TestOptions options() {
    return TestOptions.of(folder).backend("cuda").attention("dense");
  }

  private static long bytes(MemoryPlan plan, String what) {
    return plan.items().stream()
        .filter(item -> item.what().startsWith(what))
        .mapToLong(MemoryPlan.Item::bytes)
        .sum();
  }

  /** Oracle: the sizes worked out by hand. */
  @Test
  void aMillionTokensOfLlama3TakeWhatTheirTensorsHold() {
    MemoryPlan plan = Engine.memoryPlan(options().emit(Emit.KV, Emit.LOGITS).build(), 1 << 20);
    assertThat(bytes(plan, "hidden states")).isEqualTo(8 * GIB);
    assertThat(bytes(plan, "queries")).isEqualTo(8 * GIB);
    assertThat(bytes(plan, "keys of a layer")).isEqualTo(4 * GIB);
    assertThat(bytes(plan, "values of a layer")).isEqualTo(4 * GIB);
    assertThat(bytes(plan, "RoPE")).isEqualTo(512 * MIB);
    assertThat(bytes(plan, "gate and up of a chunk")).isEqualTo(448 * MIB);
    assertThat(bytes(plan, "logits")).isEqualTo(523L * 128256 * 4 / 256 * 256);
    assertThat(bytes(plan, "token ids")).isEqualTo(4 * MIB);
    assertThat(bytes(plan, "output head")).isEqualTo(128256L * 4096 * 2);
    // 218,112,000 numbers in each layer.
    assertThat(bytes(plan, "weights of 32 layers")).isEqualTo(32 * 218_112_000L * 2);
    assertThat(plan.total()).isLessThan(80_000_000_000L - 4 * GIB);
    assertThat(plan.describe()).contains("hidden states, 1048576 tokens 8.00 GiB");
  }

  @Test
  void streamedWeightsTakeTwoLayers() {
    EngineOptions options = options().weights("stream").emit(Emit.KV).build();
    MemoryPlan plan = Engine.memoryPlan(options, 1 << 17);
    assertThat(bytes(plan, "weights of two streamed layers")).isEqualTo(2 * 218_112_000L * 2);
    assertThat(bytes(plan, "weights of 32 layers")).isZero();
    assertThat(bytes(plan, "output head")).isZero();
  }

  @Test
  void withoutKeysAndValuesOnePairIsEnough() {
    MemoryPlan plan = Engine.memoryPlan(options().emit(Emit.HIDDEN).build(), 1 << 17);
    assertThat(bytes(plan, "keys of a layer")).isEqualTo(256 * MIB);
    assertThat(bytes(plan, "logits")).isZero();
  }

  /** Oracle: the sizes worked out by hand; the rest is that of a document of all positions. */
  @Test
  void aKeptCacheTakesTheKeysAndValuesOfAllLayers() {
    EngineOptions options = options().emit(Emit.KV, Emit.LOGITS).build();
    MemoryPlan plain = Engine.memoryPlan(options, 1 << 17);
    MemoryPlan kept = Engine.memoryPlan(options, (1 << 17) - 1024, 1024);
    assertThat(bytes(kept, "keys and values of 32 layers, 131072 tokens")).isEqualTo(16 * GIB);
    assertThat(kept.total() - 16 * GIB).isEqualTo(plain.total() - GIB);
    assertThat(Engine.memoryPlan(options, 1 << 17, 0)).isEqualTo(plain);
  }

  @Test
  void aCacheThatDoesNotFitIsRefusedWithItsRoom() {
    DocumentMemory memory = memory(options().build());
    assertThatThrownBy(() -> memory.reserve(device(30 * GIB, new ArrayList<>()), 300_000, 64))
        .isInstanceOf(OutOfDeviceMemory.class)
        .hasMessageStartingWith(
            "Cannot pre-fill 300,000 tokens and keep their cache with room for 64 more: they take ")
        .hasMessageContaining("keys and values of 32 layers, 300064 tokens 36.63 GiB")
        .hasMessageContaining("tokens would fit");
  }

  /** A device of which only some bytes can be had. */
  private static Backend device(long reservable, List<MemoryPlan> reserved) {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) ->
                switch (method.getName()) {
                  case "reservable" -> reservable;
                  case "reserve" -> reserved.add((MemoryPlan) arguments[0]) ? null : null;
                  case "device" -> "a device of the test";
                  default -> throw new AssertionError(method.getName() + " before reserve");
                });
  }

  private DocumentMemory memory(EngineOptions options) {
    ModelConfig config = ModelConfig.read(folder);
    AttentionPlan plan =
        AttentionPlan.parse(options.attention(), null, config.layers(), config.heads());
    return new DocumentMemory(CudaBackend.sizesOfDevices(), config, plan, options);
  }

  @Test
  void whatFitsIsReservedAsPlanned() {
    List<MemoryPlan> reserved = new ArrayList<>();
    DocumentMemory memory = memory(options().build());
    MemoryPlan plan = memory.plan(5000, 0);
    memory.reserve(device(plan.total(), reserved), 5000, 0);
    assertThat(reserved).containsExactly(plan);
  }

  /** The length that the message names fits, and one token more does not. */
  @ParameterizedTest
  @ValueSource(longs = {2, 10, 20})
  void whatDoesNotFitIsRefusedWithNumbers(long gib) {
    DocumentMemory memory = memory(options().build());
    String message = refusal(memory, gib * GIB);
    assertThat(message)
        .startsWith("Cannot pre-fill 1,048,576 tokens: they take ")
        .contains("hidden states, 1048576 tokens 8.00 GiB", "only %d.00 GiB".formatted(gib))
        .contains("a device of the test", "--weights stream would free 12.19 GiB")
        .contains("--emit without kv frees 4.00 GiB", "fewer tasks on this GPU");
    int fits =
        Integer.parseInt(
            message.replaceAll("(?s).*; ([0-9,]+) tokens would fit.*", "$1").replace(",", ""));
    assertThat(memory.plan(fits, 0).total()).isLessThanOrEqualTo(gib * GIB);
    assertThat(memory.plan(fits + 1, 0).total()).isGreaterThan(gib * GIB);
  }

  @Test
  void whereNothingFitsTheMessageSaysThat() {
    DocumentMemory memory = memory(options().weights("stream").emit(Emit.HIDDEN).build());
    assertThat(refusal(memory, MIB))
        .contains("no document fits as it is; fewer tasks")
        .doesNotContain("--weights", "--emit");
  }

  private static String refusal(DocumentMemory memory, long reservable) {
    List<MemoryPlan> reserved = new ArrayList<>();
    StringBuilder message = new StringBuilder();
    assertThatThrownBy(() -> memory.reserve(device(reservable, reserved), 1 << 20, 0))
        .isInstanceOf(OutOfDeviceMemory.class)
        .satisfies(e -> message.append(e.getMessage()));
    assertThat(reserved).isEmpty();
    return message.toString();
  }

  @Test
  void cpuPlansCountFp32() {
    MemoryPlan plan =
        Engine.memoryPlan(options().backend("cpu").threads(2).emit(Emit.KV).build(), 1000);
    DeviceSizes sizes = BackendKind.sizes("cpu", 2);
    assertThat(sizes.chunkTokens()).isEqualTo(512);
    assertThat(bytes(plan, "hidden states")).isEqualTo(1000L * 4096 * 4);
    assertThat(bytes(plan, "gate and up of a chunk")).isEqualTo(512L * 28672 * 4);
  }
}
