package io.sparsefill.udf.bench;

import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.Engine;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.PrefillResult;
import io.sparsefill.udf.model.RopeFrequencies;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;

/** One way to pre-fill that {@link PrefillBench} compares with others: an engine, and its sink. */
final class PrefillMode implements AutoCloseable {
  private static final int BLOCK_TOKENS = 256;

  private final Names names;
  private final Set<Emit> emit;
  private final Engine engine;

  /**
   * What tells modes apart.
   *
   * @param attention the option of that name
   * @param weights resident or stream
   * @param sink {@code counting}, or {@code none}: keys and values stay on the device
   */
  record Names(String attention, String weights, String sink) {}

  /**
   * One pre-fill.
   *
   * @param seconds wall time of the call
   * @param kvBytes that the sink was given
   * @param checksums of sampled blocks; none without a sink
   */
  record Run(
      PrefillResult result,
      double seconds,
      long kvBytes,
      Map<CountingSink.Place, Long> checksums,
      Double deviceGib,
      Double processGib) {}

  /**
   * Opens the engine.
   *
   * @param emit what is asked for; a mode without a sink leaves keys and values out, and takes the
   *     last hidden state where nothing else is left
   */
  PrefillMode(
      Names names, String model, String backend, String patterns, Set<Emit> emit, int threads) {
    this.names = names;
    this.emit = EnumSet.copyOf(emit);
    if (names.sink.equals("none")) {
      this.emit.remove(Emit.KV);
      if (this.emit.isEmpty()) {
        this.emit.add(Emit.HIDDEN);
      }
    }
    this.engine =
        Engine.open(
            new EngineOptions(
                model,
                backend,
                names.weights,
                names.attention,
                AttentionPlan.readsPatterns(names.attention) ? patterns : null,
                this.emit,
                1,
                RopeFrequencies.FP32,
                KvDtype.BF16,
                BLOCK_TOKENS,
                threads));
  }

  Names names() {
    return names;
  }

  Engine engine() {
    return engine;
  }

  /** Pre-fills, and checks that the sink got every byte of the cache. */
  Run run(int[] tokens) throws Exception {
    CountingSink sink = emit.contains(Emit.KV) ? new CountingSink() : null;
    try (MemoryPeaks peaks = new MemoryPeaks()) {
      long start = System.nanoTime();
      PrefillResult result = engine.prefill(tokens, sink);
      double seconds = (System.nanoTime() - start) / 1e9;
      if (sink != null) {
        checkBytes(sink.bytes(), tokens.length);
      }
      return new Run(
          result,
          seconds,
          sink == null ? 0 : sink.bytes(),
          sink == null ? Map.of() : sink.checksums(),
          peaks.deviceGib(),
          peaks.processGib());
    }
  }

  private void checkBytes(long bytes, int tokens) {
    long elements =
        2L
            * tokens
            * engine.config().layers()
            * engine.config().kvHeads()
            * engine.config().headDim();
    if (bytes != elements * Short.BYTES) {
      throw new IllegalStateException(
          "%s: the sink was given %,d bytes, but keys and values of %,d tokens are %,d"
              .formatted(names, bytes, tokens, elements * Short.BYTES));
    }
  }

  @Override
  public void close() {
    engine.close();
  }
}
