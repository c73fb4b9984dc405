package io.sparsefill.udf;

import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.kernels.cpu.CpuBackend;
import io.sparsefill.udf.model.Checkpoint;
import io.sparsefill.udf.model.ModelConfig;
import java.nio.file.Path;

/** What an {@link Engine} is made of, on a backend that keeps account. */
final class RecordedPrefill implements AutoCloseable {
  final RecordingBackend backend;
  private final EngineOptions options;
  private final ModelTensors model;

  RecordedPrefill(EngineOptions options) {
    this.options = options;
    this.backend = new RecordingBackend(new CpuBackend(options.threads()));
    Checkpoint checkpoint = Checkpoint.open(Path.of(options.model()));
    this.model =
        new ModelTensors(backend.backend(), checkpoint, options.weights().equals("stream"), true);
    backend.startCounting();
  }

  PrefillResult run(int[] tokens, KvSink sink) throws Exception {
    return prefill().run(tokens, sink);
  }

  KeptCache keep(int[] tokens, KvSink sink, int room) throws Exception {
    return prefill().keep(tokens, sink, room, () -> {});
  }

  /** What documents take. */
  DocumentMemory memory() {
    return new DocumentMemory(backend.backend().sizes(), model.config(), plan(), options);
  }

  private Prefill prefill() {
    AttentionPlan plan = plan();
    return new Prefill(backend.backend(), model, plan, options, new KeptLines(plan));
  }

  private AttentionPlan plan() {
    ModelConfig config = model.config();
    return AttentionPlan.parse(
        options.attention(), options.patternsJson(), config.layers(), config.heads());
  }

  void observe(int[] tokens, LayerObserver observer) throws Exception {
    new DenseWalk(backend.backend(), model, options).run(tokens, observer);
  }

  /** The layers, as a pre-fill takes them. */
  LayerFeed feed(Buffers buffers) {
    return model.feed(backend.backend(), model.streamed(buffers));
  }

  @Override
  public void close() {
    model.close();
  }
}
