package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.cpu.CpuBackend;
import io.sparsefill.udf.model.Checkpoint;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * However a pre-fill ends, it gives back what it took, says why, and the next one gives the same
 * numbers as if nothing had been.
 */
class PrefillFailureTest {
  private static final TinyModel TINY = new TinyModel(4, 300);
  private static final int[] TOKENS = TINY.tokens(130);

  @TempDir Path folder;

  private EngineOptions options;
  private RecordedPrefill recorded;
  private int weights;

  @BeforeEach
  void open() {
    open("resident");
  }

  private void open(String mode) {
    options = TestOptions.of(TINY.write(folder)).weights(mode).blockTokens(64).build();
    recorded = new RecordedPrefill(options);
    weights = recorded.backend.open();
  }

  /** Nothing but the weights is held, and a pre-fill gives what one of a new engine gives. */
  @AfterEach
  void nothingIsHeldAndTheNextPrefillIsRight() throws Exception {
    assertThat(Thread.currentThread().isInterrupted()).isFalse();
    assertThat(recorded.backend.open()).as("tensors and indices").isEqualTo(weights);
    recorded.backend.watch((operator, arguments) -> {});
    PrefillResult again = recorded.run(TOKENS, new KvCollector());
    recorded.close();
    assertThat(recorded.backend.open()).isZero();
    assertThat(recorded.backend.isClosed()).isTrue();
    try (RecordedPrefill other = new RecordedPrefill(options)) {
      PrefillResult expected = other.run(TOKENS, new KvCollector());
      assertThat(again.lastLogits()[0]).isEqualTo(expected.lastLogits()[0]);
      assertThat(again.tokenNll()).isEqualTo(expected.tokenNll());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"resident", "stream"})
  void successFreesEverything(String mode) throws Exception {
    recorded.close();
    open(mode);
    recorded.run(TOKENS, new KvCollector());
    assertThat(recorded.backend.open()).isEqualTo(weights);
  }

  /** Blocks are 64 tokens, so each layer has three. */
  @ParameterizedTest
  @CsvSource({"0, 0", "0, 2", "1, 1", "2, 0", "3, 2"})
  void whatTheSinkThrowsEndsThePrefillAndTheSink(int layer, int block) {
    IOException full = new IOException("disk full");
    List<Integer> taken = new ArrayList<>();
    Throwable thrown =
        catchThrowable(
            () ->
                recorded.run(
                    TOKENS,
                    next -> {
                      taken.add(next.layer() * 3 + next.block());
                      if (next.layer() == layer && next.block() == block) {
                        throw full;
                      }
                    }));
    assertThat(thrown).isSameAs(full);
    assertThat(taken).hasSize(layer * 3 + block + 1).doesNotHaveDuplicates();
  }

  @Test
  void anErrorOfTheSinkIsThrownOnAsItIs() {
    OutOfMemoryError full = new OutOfMemoryError("heap");
    assertThatThrownBy(
            () ->
                recorded.run(
                    TOKENS,
                    block -> {
                      throw full;
                    }))
        .isSameAs(full);
  }

  @ParameterizedTest
  @CsvSource({
    "attention, 0, resident",
    "attention, 3, resident",
    "attention, 2, stream",
    "index, 1, resident",
    "siluMul, 3, stream",
    "nll, 0, resident",
    "read, 0, resident",
    "pack, 5, resident",
    "fill, 0, stream",
    "fill, 13, stream",
    "reserve, 0, resident"
  })
  void whatAnOperatorThrowsEndsThePrefill(String operator, int call, String mode) {
    recorded.close();
    open(mode);
    IllegalStateException broken = new IllegalStateException("device lost");
    AtomicInteger calls = new AtomicInteger();
    recorded.backend.watch(
        (name, arguments) -> {
          if (name.equals(operator) && calls.getAndIncrement() == call) {
            throw broken;
          }
        });
    assertThatThrownBy(() -> recorded.run(TOKENS, new KvCollector())).isSameAs(broken);
  }

  /** Every allocation of a pre-fill in turn finds no memory. */
  @ParameterizedTest
  @ValueSource(strings = {"resident", "stream"})
  void anAllocationThatFailsFreesTheOthers(String mode) throws Exception {
    recorded.close();
    open(mode);
    recorded.backend.startCounting();
    recorded.run(TOKENS, new KvCollector());
    int allocations = recorded.backend.allocations().size();
    assertThat(allocations).isGreaterThan(10);
    for (int failing = 0; failing < allocations; failing++) {
      OutOfMemoryError none = new OutOfMemoryError("allocation " + failing);
      failAllocation(recorded.backend, failing, none);
      assertThatThrownBy(() -> recorded.run(TOKENS, new KvCollector())).isSameAs(none);
      assertThat(recorded.backend.open()).as(none.getMessage()).isEqualTo(weights);
    }
  }

  private static void failAllocation(RecordingBackend backend, int failing, Error none) {
    AtomicInteger calls = new AtomicInteger();
    backend.watch(
        (name, arguments) -> {
          boolean allocates =
              name.startsWith("allocate") || name.equals("rope") || name.equals("upload");
          if (allocates && calls.getAndIncrement() == failing) {
            throw none;
          }
        });
  }

  @Test
  void anUploadThatFailsFreesTheWeightsBeforeIt() {
    Checkpoint checkpoint = Checkpoint.open(folder);
    int uploads = weights;
    for (int failing = 0; failing < uploads; failing++) {
      RecordingBackend backend = new RecordingBackend(new CpuBackend(1));
      OutOfMemoryError none = new OutOfMemoryError("upload " + failing);
      failAllocation(backend, failing, none);
      Backend device = backend.backend();
      assertThatThrownBy(() -> new ModelTensors(device, checkpoint, false, true)).isSameAs(none);
      assertThat(backend.open()).as(none.getMessage()).isZero();
      assertThat(backend.isClosed()).isTrue();
    }
  }

  /**
   * A sink writes files of many documents: interrupted in a write, it could lose them all. So the
   * failure of one document waits for the block that is on its way.
   */
  @Test
  void aFailureElsewhereDoesNotInterruptTheSink() {
    Thread engine = Thread.currentThread();
    CountDownLatch inSink = new CountDownLatch(1);
    IllegalStateException broken = new IllegalStateException("attention");
    recorded.backend.watch(
        (name, arguments) -> {
          if (name.equals("attention")) {
            await(inSink);
            throw broken;
          }
        });
    AtomicBoolean interrupted = new AtomicBoolean();
    AtomicInteger taken = new AtomicInteger();
    assertThatThrownBy(
            () ->
                recorded.run(
                    TOKENS,
                    block -> {
                      inSink.countDown();
                      try {
                        Parked.await(engine, "close", () -> false);
                        interrupted.set(Thread.interrupted());
                      } catch (InterruptedException e) {
                        interrupted.set(true);
                      }
                      taken.incrementAndGet();
                    }))
        .isSameAs(broken);
    assertThat(interrupted).isFalse();
    assertThat(taken).as("blocks taken: the one on its way").hasValue(1);
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** The pre-fill waits for a sink that waits for ever: an interrupt must end both. */
  @Test
  void anInterruptEndsAWaitForTheSink() throws Exception {
    AtomicBoolean sinkInterrupted = new AtomicBoolean();
    FutureTask<Throwable> prefill =
        new FutureTask<>(
            () ->
                catchThrowable(
                    () ->
                        recorded.run(
                            TOKENS,
                            block -> {
                              try {
                                new CountDownLatch(1).await();
                              } catch (InterruptedException e) {
                                sinkInterrupted.set(true);
                                throw e;
                              }
                            })));
    Thread thread = new Thread(prefill, "pre-fill under test");
    thread.start();
    Parked.await(thread, "awaitFree", prefill::isDone);
    thread.interrupt();
    assertThat(prefill.get()).isInstanceOf(InterruptedException.class);
    assertThat(sinkInterrupted).isTrue();
  }

  @Test
  void anInterruptEndsThePrefillAtTheNextStage() {
    List<String> operators = Collections.synchronizedList(new ArrayList<>());
    recorded.backend.watch(
        (name, arguments) -> {
          operators.add(name);
          if (name.equals("attention")) {
            Thread.currentThread().interrupt();
          }
        });
    assertThatThrownBy(() -> recorded.run(TOKENS, block -> {}))
        .isInstanceOf(InterruptedException.class);
    assertThat(operators).contains("attention").doesNotContain("siluMul");
  }

  @Test
  void anInterruptedThreadDoesNotBegin() {
    Thread.currentThread().interrupt();
    KvCollector kv = new KvCollector();
    assertThatThrownBy(() -> recorded.run(TOKENS, kv)).isInstanceOf(InterruptedException.class);
    assertThat(kv.blocks()).isEmpty();
  }

  @Test
  void badDocumentsAreRefusedWithTheReason() {
    assertThatThrownBy(() -> recorded.run(new int[0], new KvCollector()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Cannot pre-fill: the document has no tokens; leave it out");
    assertThatThrownBy(() -> recorded.run(new int[] {1, 299, 300}, new KvCollector()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Cannot pre-fill: token 2 has id 300, but the model's ids are 0 to 299");
    assertThatThrownBy(() -> recorded.run(new int[] {-1}, new KvCollector()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("token 0 has id -1");
    assertThatThrownBy(() -> recorded.run(TOKENS, null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("there is no sink");
  }
}
