package io.sparsefill.udf;

import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.model.RopeFrequencies;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Set;

/** Engine options of tests: a model, and what differs from dense, fp32, one thread. */
final class TestOptions {
  private final Path model;
  private String backend = "cpu";
  private String weights = "resident";
  private String attention = "dense";
  private String patterns;
  private Set<Emit> emit = EnumSet.allOf(Emit.class);
  private int lastPositions = 1;
  private KvDtype dtype = KvDtype.FP32;
  private int blockTokens = 256;
  private int threads = 1;

  private TestOptions(Path model) {
    this.model = model;
  }

  static TestOptions of(Path model) {
    return new TestOptions(model);
  }

  TestOptions backend(String value) {
    backend = value;
    return this;
  }

  TestOptions weights(String value) {
    weights = value;
    return this;
  }

  TestOptions attention(String value) {
    attention = value;
    return this;
  }

  TestOptions patterns(String json) {
    patterns = json;
    return this;
  }

  TestOptions emit(Emit first, Emit... others) {
    emit = EnumSet.of(first, others);
    return this;
  }

  TestOptions lastPositions(int value) {
    lastPositions = value;
    return this;
  }

  TestOptions dtype(KvDtype value) {
    dtype = value;
    return this;
  }

  TestOptions blockTokens(int value) {
    blockTokens = value;
    return this;
  }

  TestOptions threads(int value) {
    threads = value;
    return this;
  }

  EngineOptions build() {
    return new EngineOptions(
        model.toString(),
        backend,
        weights,
        attention,
        patterns,
        emit,
        lastPositions,
        RopeFrequencies.FP32,
        dtype,
        blockTokens,
        threads);
  }

  /** One document through an engine of its own. */
  PrefillResult prefill(int[] tokens, KvSink sink) throws Exception {
    try (Engine engine = Engine.open(build())) {
      return engine.prefill(tokens, sink);
    }
  }
}
