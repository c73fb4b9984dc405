package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.MemoryPlan;
import io.sparsefill.kernels.OutOfDeviceMemory;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.kernels.cpu.CpuBackend;
import io.sparsefill.udf.model.ModelConfig;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Engines of different options on one device, whose memory is a made-up number: what they reserve
 * is taken off it, as a GPU's would be, and the CPU computes.
 */
class SharedDeviceTest {
  private static final TinyModel TINY = new TinyModel(2, 300);
  private static final int[] TOKENS = TINY.tokens(1000);

  @TempDir Path folder;

  private EngineOptions logits;
  private EngineOptions scores;
  private long needed;
  private long total;
  private long free;
  private final List<String> calls = new ArrayList<>();
  private ExecutorEngines engines;

  @BeforeEach
  void write() {
    TINY.write(folder);
    logits = TestOptions.of(folder).emit(Emit.LOGITS).build();
    scores = TestOptions.of(folder).emit(Emit.NLL).build();
    needed = Math.max(bytes(logits), bytes(scores));
    engines =
        new ExecutorEngines(
            this::open,
            kind -> 1,
            later -> {},
            (key, tokens, room) -> Optional.of("a pool holds it from " + tokens + " tokens"));
  }

  @AfterEach
  void allIsGivenBack() {
    engines.close();
    assertThat(SharedModel.held()).isZero();
    assertThat(free).isEqualTo(total);
  }

  /** Makes up the device's memory. */
  private void device(long bytes) {
    total = bytes;
    free = bytes;
  }

  private static long bytes(EngineOptions options) {
    ModelConfig config = ModelConfig.read(Path.of(options.model()));
    return new DocumentMemory(CpuBackend.sizes(1), config, plan(options), options)
        .plan(TOKENS.length, 0)
        .total();
  }

  private static AttentionPlan plan(EngineOptions options) {
    ModelConfig config = ModelConfig.read(Path.of(options.model()));
    return AttentionPlan.parse(options.attention(), null, config.layers(), config.heads());
  }

  private Engine open(EngineOptions options, int ordinal) {
    calls.add("open");
    Reserving device = new Reserving(new CpuBackend(options.threads()));
    return new Engine(
        options,
        device.backend(),
        SharedModel.acquire(options, BackendKind.CPU, ordinal),
        plan(options));
  }

  /** A backend that takes what it reserves from the made-up device. */
  private final class Reserving {
    private final Backend real;
    private long held;

    Reserving(Backend real) {
      this.real = real;
    }

    Backend backend() {
      return (Backend)
          Proxy.newProxyInstance(
              Backend.class.getClassLoader(),
              new Class<?>[] {Backend.class},
              (proxy, method, arguments) -> {
                switch (method.getName()) {
                  case "reservable":
                    return held + free;
                  case "reserve":
                    reserve(((MemoryPlan) arguments[0]).total());
                    return null;
                  case "unreserve":
                    calls.add("unreserve");
                    giveBack();
                    return null;
                  case "close":
                    giveBack();
                    break;
                  default:
                }
                try {
                  return method.invoke(real, arguments);
                } catch (InvocationTargetException e) {
                  throw e.getCause();
                }
              });
    }

    private void reserve(long bytes) {
      if (bytes > held) {
        giveBack();
        assertThat(bytes).as("the device is never overdrawn").isLessThanOrEqualTo(free);
        held = bytes;
        free -= bytes;
      }
    }

    private void giveBack() {
      free += held;
      held = 0;
    }
  }

  /** Oracle: engines that each have the device alone. */
  @Test
  void theNextInTurnTakesTheMemoryOfIdleOnes() throws Exception {
    float[] expected;
    try (Engine alone = Engine.open(scores)) {
      expected = alone.prefill(TOKENS, null).tokenNll();
    }
    device(needed + needed / 2);
    try (EngineLease one = engines.lease(logits);
        EngineLease other = engines.lease(scores)) {
      for (int i = 0; i < 2; i++) {
        one.prefill(TOKENS, null);
        assertThat(other.prefill(TOKENS, null).tokenNll()).isEqualTo(expected);
      }
      assertThat(SharedModel.held()).as("weights are there once").isEqualTo(1);
    }
    // The first turn of all finds the whole device; each later one must have it back.
    assertThat(calls)
        .containsExactly("open", "unreserve", "open", "unreserve", "unreserve", "unreserve");
  }

  @Test
  void whereBothFitNothingIsGivenBack() throws Exception {
    device(2 * needed);
    try (EngineLease one = engines.lease(logits);
        EngineLease other = engines.lease(scores)) {
      calls.clear();
      for (int i = 0; i < 2; i++) {
        one.prefill(TOKENS, null);
        other.prefill(TOKENS, null);
      }
    }
    assertThat(calls).isEmpty();
  }

  /** Its weights need room too, and nobody knows how much before they are there. */
  @Test
  void idleEnginesGiveTheirMemoryBackBeforeAnotherOpens() throws Exception {
    device(2 * needed);
    try (EngineLease one = engines.lease(logits)) {
      one.prefill(TOKENS, null);
      long left = free;
      calls.clear();
      try (EngineLease other = engines.lease(scores)) {
        assertThat(calls).containsExactly("unreserve", "open");
        assertThat(free).isGreaterThan(left);
        one.prefill(TOKENS, null); // has its memory again
        other.prefill(TOKENS, null);
      }
    }
  }

  @Test
  void aDocumentThatDoesNotFitByItselfIsItsOwnFailure() throws Exception {
    device(needed / 2);
    try (EngineLease one = engines.lease(logits);
        EngineLease other = engines.lease(scores)) {
      assertThatThrownBy(() -> other.prefill(TOKENS, null))
          .isInstanceOf(OutOfDeviceMemory.class)
          .hasMessageStartingWith("Cannot pre-fill 1,000 tokens")
          .hasMessageEndingWith("; a pool holds it from 1000 tokens");
      one.prefill(TINY.tokens(10), null);
    }
    assertThat(engines.lost()).isEmpty();
  }
}
