package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.kernels.cpu.CpuBackend;
import io.sparsefill.kernels.cuda.CudaFailure;
import io.sparsefill.udf.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Engines that tasks share, on the CPU backend; most of it with one at a time, as on a GPU. */
@Timeout(120)
class ExecutorEnginesTest {
  private static final TinyModel TINY = new TinyModel(2, 300);
  private static final int[] TOKENS = TINY.tokens(100);

  @TempDir Path folder;

  private final AtomicInteger opened = new AtomicInteger();
  private final Deque<Runnable> whenIdle = new ArrayDeque<>();
  private ExecutorEngines engines;
  private Engine last;
  private EngineOptions options;
  private volatile RecordingBackend.Watcher watcher = (operator, arguments) -> {};

  @BeforeEach
  void write() {
    options = TestOptions.of(TINY.write(folder)).build();
    engines =
        new ExecutorEngines(
            this::open, kind -> 1, whenIdle::add, (key, tokens, room) -> Optional.empty());
  }

  @AfterEach
  void nothingIsLeft() {
    engines.close();
    assertThat(engines.kept()).isZero();
    assertThat(SharedModel.held()).isZero();
  }

  /** An engine whose operators go by {@link #watcher}. */
  private Engine open(EngineOptions wanted, int ordinal) {
    ModelConfig config = ModelConfig.read(folder);
    AttentionPlan plan =
        AttentionPlan.parse(wanted.attention(), null, config.layers(), config.heads());
    SharedModel.Lease model = SharedModel.acquire(wanted, BackendKind.CPU, ordinal);
    RecordingBackend backend = new RecordingBackend(new CpuBackend(wanted.threads()));
    backend.watch((operator, arguments) -> watcher.before(operator, arguments));
    opened.incrementAndGet();
    last = new Engine(wanted, backend.backend(), model, plan);
    return last;
  }

  private static FutureTask<PrefillResult> start(EngineLease lease, KvSink sink) {
    FutureTask<PrefillResult> task = new FutureTask<>(() -> lease.prefill(TOKENS, sink));
    new Thread(task, "task").start();
    return task;
  }

  private static void awaitWaiting(EngineLease lease, int count) throws InterruptedException {
    CountDownLatch never = new CountDownLatch(1);
    while (lease.waiting() != count) { // a queue's length has no event
      assertThat(never.await(1, TimeUnit.MILLISECONDS)).isFalse();
    }
  }

  /** A sink that stops the pre-fill until it is let go. */
  private static final class Gate implements KvSink {
    final CountDownLatch reached = new CountDownLatch(1);
    final CountDownLatch open = new CountDownLatch(1);

    @Override
    public void accept(KvBlock block) throws InterruptedException {
      reached.countDown();
      open.await();
    }
  }

  /** Oracle: an engine alone. */
  @Test
  void tasksTakeTurnsOnOneEngineInTheirOrder() throws Exception {
    float[] expected;
    try (Engine alone = Engine.open(options)) {
      expected = alone.prefill(TOKENS, new KvCollector()).lastLogits()[0];
    }
    Gate gate = new Gate();
    List<String> order = new ArrayList<>();
    try (EngineLease first = engines.lease(options);
        EngineLease second = engines.lease(options);
        EngineLease third = engines.lease(options)) {
      FutureTask<PrefillResult> one = start(first, gate);
      gate.reached.await();
      AtomicLong lastOfSecond = new AtomicLong();
      FutureTask<PrefillResult> two =
          start(
              second,
              block -> {
                order.add("second");
                lastOfSecond.set(System.nanoTime());
              });
      awaitWaiting(first, 1);
      long secondWaits = System.nanoTime();
      FutureTask<PrefillResult> three = start(third, block -> order.add("third"));
      awaitWaiting(first, 2);
      long thirdWaits = System.nanoTime();
      gate.open.countDown();
      for (FutureTask<PrefillResult> task : List.of(one, two, three)) {
        assertThat(task.get().lastLogits()[0]).isEqualTo(expected);
      }
      assertThat(order).startsWith("second").endsWith("third");
      // The second waited while the third came, the third for the second's document too.
      assertThat(second.queuedSeconds()).isGreaterThanOrEqualTo((thirdWaits - secondWaits) / 1e9);
      assertThat(third.queuedSeconds())
          .isGreaterThanOrEqualTo((lastOfSecond.get() - thirdWaits) / 1e9);
    }
    assertThat(opened).hasValue(1);
    EngineFigures figures = engines.figures();
    assertThat(figures.documents()).isEqualTo(3);
    assertThat(figures.failed()).isZero();
    assertThat(figures.tokens()).isEqualTo(3L * TOKENS.length);
    assertThat(figures.tokensPerSecond()).isPositive();
    assertThat(figures.queuedSeconds()).isPositive();
    assertThat(figures.density()).isEqualTo(1);
  }

  /** Oracle: an engine alone; the order in which the turns end. */
  @Test
  void aCacheIsUsedInTheTurnOfItsDocument() throws Exception {
    int[] chunk = Arrays.copyOf(TOKENS, 20);
    float[][] expected;
    try (Engine alone = Engine.open(options);
        KeptCache cache = alone.prefillKeeping(TOKENS, new KvCollector(), 20)) {
      expected = cache.extend(chunk, 1);
    }
    CountDownLatch kept = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    List<String> order = new ArrayList<>();
    try (EngineLease first = engines.lease(options);
        EngineLease second = engines.lease(options)) {
      FutureTask<float[][]> one =
          new FutureTask<>(
              () ->
                  first.prefillKeeping(
                      TOKENS,
                      new KvCollector(),
                      20,
                      cache -> {
                        kept.countDown();
                        goOn.await();
                        order.add("used");
                        return cache.extend(chunk, 1);
                      }));
      new Thread(one, "task").start();
      kept.await();
      FutureTask<PrefillResult> two = start(second, block -> order.add("next"));
      awaitWaiting(second, 1);
      goOn.countDown();
      assertThat(one.get()).isDeepEqualTo(expected);
      two.get();
      assertThat(order).startsWith("used").contains("next");

      assertThatThrownBy(
              () ->
                  first.prefillKeeping(
                      TOKENS,
                      new KvCollector(),
                      20,
                      cache -> {
                        throw new IOException("of the test");
                      }))
          .hasMessage("of the test");
      assertThat(second.prefill(TOKENS, new KvCollector()).tokenCount()).isEqualTo(TOKENS.length);
    }
    assertThat(engines.figures().documents()).isEqualTo(3);
    assertThat(engines.figures().failed()).isEqualTo(1);
  }

  @Test
  void onTheCpuNoTaskWaitsForAnother() throws Exception {
    engines =
        new ExecutorEngines(
            this::open,
            BackendKind::documentsAtOnce,
            whenIdle::add,
            (key, tokens, room) -> Optional.empty());
    Gate gate = new Gate();
    try (EngineLease first = engines.lease(options);
        EngineLease second = engines.lease(options)) {
      FutureTask<PrefillResult> one = start(first, gate);
      gate.reached.await();
      assertThat(second.prefill(TOKENS, new KvCollector()).tokenCount()).isEqualTo(TOKENS.length);
      assertThat(SharedModel.held()).isEqualTo(1);
      gate.open.countDown();
      one.get();
    }
    assertThat(opened).hasValue(2);
  }

  /** As two documents' memory on one GPU was not planned. */
  @Test
  void enginesOfOtherOptionsTakeTurnsOnOneDevice() throws Exception {
    AtomicInteger computing = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    watcher =
        (operator, arguments) -> {
          if (operator.equals("embed")) {
            most.accumulateAndGet(computing.incrementAndGet(), Math::max);
          } else if (operator.equals("complete")) {
            computing.decrementAndGet();
          }
        };
    EngineOptions sparse = TestOptions.of(folder).attention("a-shape:64:64").build();
    EngineOptions scores = TestOptions.of(folder).emit(Emit.NLL).build();
    Gate gate = new Gate();
    try (EngineLease first = engines.lease(options);
        EngineLease second = engines.lease(sparse);
        EngineLease third = engines.lease(scores)) {
      FutureTask<PrefillResult> one = start(first, gate);
      gate.reached.await();
      FutureTask<PrefillResult> two = start(second, new KvCollector());
      FutureTask<PrefillResult> three = start(third, null);
      awaitWaiting(first, 2);
      gate.open.countDown();
      for (FutureTask<PrefillResult> task : List.of(one, two, three)) {
        assertThat(task.get().tokenCount()).isEqualTo(TOKENS.length);
      }
      assertThat(second.queuedSeconds()).isPositive();
    }
    assertThat(opened).hasValue(3);
    assertThat(most).hasValue(1);
  }

  /** The next one's weights would come while the first document computes. */
  @Test
  void anEngineOpensInATurnOfItsDevice() throws Exception {
    Gate gate = new Gate();
    EngineOptions sparse = TestOptions.of(folder).attention("a-shape:64:64").build();
    try (EngineLease first = engines.lease(options)) {
      FutureTask<PrefillResult> one = start(first, gate);
      gate.reached.await();
      FutureTask<EngineLease> second = new FutureTask<>(() -> engines.lease(sparse));
      new Thread(second, "opens").start();
      awaitWaiting(first, 1);
      assertThat(opened).hasValue(1);
      gate.open.countDown();
      one.get();
      second.get().close();
    }
    assertThat(opened).hasValue(2);
  }

  @Test
  void aWaitingTaskCanBeInterruptedAndTheOthersGoOn() throws Exception {
    Gate gate = new Gate();
    try (EngineLease first = engines.lease(options);
        EngineLease second = engines.lease(options)) {
      FutureTask<PrefillResult> one = start(first, gate);
      gate.reached.await();
      FutureTask<PrefillResult> two =
          new FutureTask<>(() -> second.prefill(TOKENS, new KvCollector()));
      Thread waits = new Thread(two, "waits");
      waits.start();
      awaitWaiting(first, 1);
      waits.interrupt();
      assertThatThrownBy(two::get)
          .isInstanceOf(ExecutionException.class)
          .hasCauseInstanceOf(InterruptedException.class);
      gate.open.countDown();
      one.get();
      assertThat(engines.figures().failed()).isZero();
      assertThat(second.prefill(TOKENS, new KvCollector()).tokenCount()).isEqualTo(TOKENS.length);
    }
  }

  @Test
  void theNextTaskFindsTheModelLoaded() throws Exception {
    engines.lease(options).close();
    Files.delete(folder.resolve("model.safetensors"));
    try (EngineLease next = engines.lease(options)) {
      assertThat(next.prefill(TOKENS, new KvCollector()).tokenCount()).isEqualTo(TOKENS.length);
    }
    assertThat(opened).hasValue(1);
  }

  /** Other weights would not fit beside those that nobody uses. */
  @Test
  void otherOptionsEndWhatNobodyUses() throws Exception {
    EngineOptions streamed = TestOptions.of(folder).weights("stream").build();
    EngineOptions sparse = TestOptions.of(folder).attention("a-shape:64:64").build();
    engines.lease(options).close();
    assertThat(engines.kept()).isEqualTo(1);
    try (EngineLease used = engines.lease(streamed)) {
      assertThat(engines.kept()).isEqualTo(1);
      try (EngineLease other = engines.lease(options)) {
        assertThat(engines.kept()).as("one that is used stays").isEqualTo(2);
        assertThat(other.config()).isEqualTo(used.config());
      }
    }
    engines.lease(options).close();
    assertThat(engines.kept()).isEqualTo(1);
    assertThat(SharedModel.held()).isEqualTo(1);
    Files.delete(folder.resolve("model.safetensors")); // the weights are there
    engines.lease(sparse).close();
    assertThat(engines.kept()).isEqualTo(1);
    assertThat(SharedModel.held()).isEqualTo(1);
  }

  @Test
  void engineThatNobodyUsesIsClosedAfterAWhile() throws Exception {
    engines.lease(options).close();
    engines.lease(options).close();
    assertThat(whenIdle).hasSize(2);
    whenIdle.poll().run(); // the engine was used after this was wished for
    assertThat(SharedModel.held()).isEqualTo(1);
    try (EngineLease used = engines.lease(options)) {
      whenIdle.poll().run();
      assertThat(used.prefill(TOKENS, new KvCollector()).tokenCount()).isEqualTo(TOKENS.length);
    }
    whenIdle.poll().run();
    assertThat(SharedModel.held()).isZero();
    assertThat(engines.kept()).isZero();
    engines.lease(options).close();
    assertThat(opened).hasValue(2);
  }

  @Test
  void aFailedLoadHoldsNothingAndTheNextTaskTriesAnew() throws Exception {
    Path weights = folder.resolve("model.safetensors");
    Path away = folder.resolve("away");
    Files.move(weights, away);
    for (int i = 0; i < 2; i++) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> engines.lease(options))
          .withMessageContaining("model.safetensors");
      assertThat(engines.kept()).isZero();
      assertThat(SharedModel.held()).isZero();
    }
    Files.move(away, weights);
    try (EngineLease lease = engines.lease(options)) {
      assertThat(lease.device()).startsWith("cpu (1 threads");
    }
    assertThatIllegalArgumentException()
        .isThrownBy(() -> engines.lease(TestOptions.of(folder).attention("sparse").build()));
    assertThat(engines.lost()).isEmpty();
  }

  @Test
  void aClosedLeaseIsRefusedAndCountsOnce() throws Exception {
    EngineLease first = engines.lease(options);
    EngineLease second = engines.lease(options);
    first.close();
    first.close();
    assertThat(whenIdle).isEmpty();
    second.prefill(TOKENS, new KvCollector());
    second.close();
    assertThat(whenIdle).hasSize(1);
    assertThatThrownBy(() -> second.prefill(TOKENS, new KvCollector()))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("closed");
  }

  /** The driver's answer is made up, in the place of an operator. */
  @Test
  void aDocumentsOwnFailureLeavesTheEngine() throws Exception {
    try (EngineLease lease = engines.lease(options)) {
      CudaFailure full = new CudaFailure("Cannot allocate: CUDA_ERROR_OUT_OF_MEMORY", 2);
      watcher = failing(full);
      assertThatThrownBy(() -> lease.prefill(TOKENS, new KvCollector())).isSameAs(full);
      watcher = (operator, arguments) -> {};
      assertThat(lease.prefill(TOKENS, new KvCollector()).tokenCount()).isEqualTo(TOKENS.length);
      assertThat(engines.figures().failed()).isEqualTo(1);
    }
    assertThat(engines.lost()).isEmpty();
  }

  /** As when an operator fails by another name, and the next call finds the context lost. */
  @Test
  void afterTheContextIsLostEveryDocumentAndTaskIsRefused() throws Exception {
    IllegalStateException failure = new IllegalStateException("products");
    failure.addSuppressed(new CudaFailure("Cannot finish: CUDA_ERROR_ILLEGAL_ADDRESS", 700));
    try (EngineLease lease = engines.lease(options)) {
      watcher = failing(failure);
      assertThatThrownBy(() -> lease.prefill(TOKENS, new KvCollector()))
          .isInstanceOf(DeviceLost.class)
          .hasMessageContaining("CUDA_ERROR_ILLEGAL_ADDRESS")
          .hasMessageContaining("SparsefillPlugin");
      watcher = (operator, arguments) -> {};
      assertThatThrownBy(() -> lease.prefill(TOKENS, new KvCollector()))
          .isInstanceOf(DeviceLost.class);
    }
    assertThatThrownBy(() -> engines.lease(options)).isInstanceOf(DeviceLost.class);
    assertThat(engines.lost()).isPresent();
    assertThat(engines.deviceBytes()).isZero();
    engines.close(); // calls nothing on the device
    assertThat(SharedModel.held()).isEqualTo(1);
    last.close();
  }

  private static RecordingBackend.Watcher failing(RuntimeException failure) {
    return (operator, arguments) -> {
      if (operator.equals("attention")) {
        throw failure;
      }
    };
  }
}
