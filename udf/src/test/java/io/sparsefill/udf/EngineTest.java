package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.attention.PatternTable;
import io.sparsefill.kernels.cuda.CudaBackend;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Engines over one model: how they share it, and what they refuse. */
class EngineTest {
  private static final TinyModel TINY = new TinyModel(3, 300);
  private static final int[] TOKENS = TINY.tokens(700);

  @TempDir Path folder;

  private Path model;

  @BeforeEach
  void write() {
    model = TINY.write(folder);
  }

  @AfterEach
  void noModelIsHeld() {
    assertThat(SharedModel.held()).isZero();
  }

  /** All that a pre-fill gives. */
  @SuppressWarnings("ArrayRecordComponent") // compared by assertSameAs only
  private record Numbers(
      List<List<Object>> kv, float[][] logits, float[] nll, float[] hidden, double density) {
    static Numbers of(Engine engine) throws Exception {
      KvCollector kv = new KvCollector();
      PrefillResult result = engine.prefill(TOKENS, kv);
      return new Numbers(
          kv.contents(),
          result.lastLogits(),
          result.tokenNll(),
          result.lastHidden(),
          result.density());
    }

    static Numbers of(TestOptions options) throws Exception {
      try (Engine engine = Engine.open(options.build())) {
        return of(engine);
      }
    }

    void assertSameAs(Numbers other) {
      assertThat(kv).isEqualTo(other.kv);
      assertThat(logits).isDeepEqualTo(other.logits);
      assertThat(nll).isEqualTo(other.nll);
      assertThat(hidden).isEqualTo(other.hidden);
      assertThat(density).isEqualTo(other.density);
    }
  }

  @Test
  void streamedWeightsGiveExactlyWhatResidentOnesGive() throws Exception {
    Numbers resident = Numbers.of(TestOptions.of(model).threads(2));
    Numbers.of(TestOptions.of(model).threads(2).weights("stream")).assertSameAs(resident);
  }

  /** Two threads take the rows in other chunks, so OpenBLAS may differ in the last bits. */
  @ParameterizedTest
  @ValueSource(strings = {"dense", "a-shape:64:128", "vertical-slash:30:50", "block-sparse:4"})
  void threadsDoNotChangeTheResult(String attention) throws Exception {
    Numbers one = Numbers.of(TestOptions.of(model).attention(attention));
    Numbers two = Numbers.of(TestOptions.of(model).attention(attention).threads(2));
    assertThat(two.density()).isEqualTo(one.density());
    assertThat(Distance.relative(two.logits()[0], one.logits()[0])).isLessThan(1e-5);
    assertThat(Distance.relative(two.nll(), one.nll())).isLessThan(1e-5);
    assertThat(Distance.relative(two.hidden(), one.hidden())).isLessThan(1e-5);
  }

  /** Oracle: the contract of {@link Engine#prefill}; the sink is called on another thread. */
  @Test
  void aSecondDocumentAtTheSameTimeIsRefused() throws Exception {
    try (Engine engine = Engine.open(TestOptions.of(model).build())) {
      KvSink nested =
          block ->
              assertThatThrownBy(() -> engine.prefill(new int[] {1}, other -> {}))
                  .isInstanceOf(IllegalStateException.class)
                  .hasMessageContaining("an engine for each thread");
      assertThat(engine.prefill(new int[] {1, 2, 3}, nested).tokenCount()).isEqualTo(3);
    }
  }

  /** Oracle: one engine alone. */
  @ParameterizedTest
  @ValueSource(strings = {"resident", "stream"})
  void enginesAtTheSameTimeShareOneModelAndGiveTheSame(String weights) throws Exception {
    TestOptions options = TestOptions.of(model).weights(weights).attention("vertical-slash:30:50");
    Numbers alone = Numbers.of(options);
    CyclicBarrier together = new CyclicBarrier(2);
    List<FutureTask<Numbers>> tasks = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      FutureTask<Numbers> task =
          new FutureTask<>(
              () -> {
                try (Engine engine = Engine.open(options.build())) {
                  together.await();
                  assertThat(SharedModel.held()).isEqualTo(1);
                  Numbers.of(engine).assertSameAs(alone);
                  Numbers numbers = Numbers.of(engine);
                  together.await();
                  return numbers;
                }
              });
      tasks.add(task);
      new Thread(task, "engine " + i).start();
    }
    for (FutureTask<Numbers> task : tasks) {
      task.get().assertSameAs(alone);
    }
  }

  @Test
  void theLastEngineToCloseFreesTheModel() throws Exception {
    EngineOptions options = TestOptions.of(model).build();
    Engine first = Engine.open(options);
    Engine second = Engine.open(options);
    Numbers before = Numbers.of(second);
    first.close();
    first.close(); // once more must not take the second one's share
    assertThat(SharedModel.held()).isEqualTo(1);
    Numbers.of(second).assertSameAs(before);
    second.close();
    assertThat(SharedModel.held()).isZero();
    assertThatThrownBy(() -> second.prefill(TOKENS, new KvCollector()))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("closed");
  }

  /** A streamed model is another one; what is emitted makes none. */
  @Test
  void modelsThatAreHeldDifferentlyAreNotShared() {
    try (Engine all = Engine.open(TestOptions.of(model).build());
        Engine kv = Engine.open(TestOptions.of(model).emit(Emit.KV).build());
        Engine streamed = Engine.open(TestOptions.of(model).weights("stream").build());
        Engine same = Engine.open(TestOptions.of(model).attention("a-shape:64:64").build())) {
      assertThat(List.of(all, kv, streamed, same)).doesNotHaveDuplicates();
      assertThat(SharedModel.held()).isEqualTo(2);
    }
  }

  /** Oracle: an engine alone, whose weights came all at once. */
  @Test
  void theOutputHeadComesWithTheFirstEngineThatNeedsIt() throws Exception {
    Numbers alone = Numbers.of(TestOptions.of(model));
    try (Engine kv = Engine.open(TestOptions.of(model).emit(Emit.KV).build())) {
      kv.prefill(TOKENS, new KvCollector());
      try (Engine all = Engine.open(TestOptions.of(model).build())) {
        Numbers.of(all).assertSameAs(alone);
        assertThat(SharedModel.held()).isEqualTo(1);
      }
    }
  }

  @Test
  void threadsEndWithTheirEngine() throws Exception {
    Numbers.of(TestOptions.of(model).threads(3));
    for (Thread thread : Thread.getAllStackTraces().keySet()) {
      if (thread.getName().startsWith("sparsefill-")) {
        thread.join(60_000);
        assertThat(thread.isAlive()).as(thread.getName()).isFalse();
      }
    }
  }

  @Test
  void saysWhatItRunsOn() {
    try (Engine engine = Engine.open(TestOptions.of(model).backend("auto").threads(2).build())) {
      boolean onGpu = CudaBackend.unavailable(engine.config().headDim()).isEmpty();
      assertThat(engine.device()).startsWith(onGpu ? "cuda (" : "cpu (2 threads, fp32");
      assertThat(engine.config().layers()).isEqualTo(TINY.layers());
    }
  }

  private static void refused(TestOptions options, String... words) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Engine.open(options.build()))
        .satisfies(e -> assertThat(e.getMessage()).contains(words));
    assertThat(SharedModel.held()).isZero();
  }

  @Test
  void wrongOptionsAreRefusedAndHoldNothing() {
    refused(TestOptions.of(model).backend("tpu"), "'tpu'", "auto", "cpu");
    if (CudaBackend.unavailable().isPresent()) {
      refused(TestOptions.of(model).backend("cuda"), "--backend cuda", "--backend cpu");
    }
    refused(TestOptions.of(model).weights("mapped"), "'mapped'", "resident", "stream");
    refused(TestOptions.of(model).attention("sparse"), "'sparse'", "minference", "a-shape");
    refused(TestOptions.of(model).attention("a-shape:64"), "'a-shape:64'");
    refused(
        TestOptions.of(model)
            .attention("minference")
            .patterns(
                PatternTable.uniform(PatternTable.DEFAULT, TINY.layers() + 1, TinyModel.HEADS)
                    .toJson()),
        "3 layers",
        "4");
    refused(TestOptions.of(model).attention("dense").patterns("[]"), "minference", "'dense'");
    refused(TestOptions.of(model).lastPositions(0), "0 last positions", "at least 1");
    refused(TestOptions.of(model).blockTokens(0), "blocks of 0 tokens");
    refused(TestOptions.of(model).threads(0), "0 threads");
  }

  @Test
  void aModelThatCannotBeReadIsRefusedAndHoldsNothing() throws Exception {
    refused(TestOptions.of(folder.resolve("absent")), "absent");
    Files.delete(model.resolve("model.safetensors"));
    refused(TestOptions.of(model), "model.safetensors");
  }
}
