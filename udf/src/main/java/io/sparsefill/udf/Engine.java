package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.DeviceSizes;
import io.sparsefill.kernels.MemoryPlan;
import io.sparsefill.kernels.OutOfDeviceMemory;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.udf.model.ModelConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A model on a device, ready to pre-fill documents one after the other. Engines of one JVM on one
 * device share the weights, which the last one to close frees; tasks take theirs from {@link
 * ExecutorEngines}, which keep them from one task to the next.
 */
public final class Engine implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Engine.class);

  private final EngineOptions options;
  private final Backend backend;
  private final SharedModel.Lease model;
  private final AttentionPlan plan;
  private final KeptLines lines;
  private final AtomicBoolean busy = new AtomicBoolean();
  private boolean closed;

  Engine(EngineOptions options, Backend backend, SharedModel.Lease model, AttentionPlan plan) {
    this.options = options;
    this.backend = backend;
    this.model = model;
    this.plan = plan;
    this.lines = new KeptLines(plan);
  }

  /**
   * Opens the backend, of GPUs the first one, and the model; see {@link #open(EngineOptions, int)}.
   */
  public static Engine open(EngineOptions options) {
    return open(options, 0);
  }

  /**
   * Opens the backend and the model.
   *
   * @param ordinal which GPU of those that the process sees; the CPU has no other
   * @throws IllegalArgumentException if the options, the checkpoint or the pattern file are wrong,
   *     saying how
   */
  static Engine open(EngineOptions options, int ordinal) {
    checkBackend(options.backend());
    // Options are read before weights: a wrong pattern file must not cost the loading of a model.
    ModelConfig config = ModelConfig.read(Path.of(options.model()));
    AttentionPlan plan =
        AttentionPlan.parse(
            options.attention(), options.patternsJson(), config.layers(), config.heads());
    BackendKind kind = BackendKind.choose(options.backend(), config);
    plan.checkBackend(kind.label());
    Backend backend = kind.open(ordinal, options.threads());
    boolean complete = false;
    try {
      Engine engine =
          new Engine(options, backend, SharedModel.acquire(options, kind, ordinal), plan);
      LOG.info(
          "Model {} ({}, {} layers) on {}, attention {}",
          options.model(),
          config.modelType(),
          config.layers(),
          backend.device(),
          plan.name());
      complete = true;
      return engine;
    } finally {
      if (!complete) {
        backend.close();
      }
    }
  }

  /**
   * Checks the word of {@code --backend}; whether there is a device is seen where an engine opens.
   *
   * @throws IllegalArgumentException for an unknown word
   */
  public static void checkBackend(String backend) {
    BackendKind.check(backend);
  }

  /**
   * What {@code --backend} means on this machine for a model.
   *
   * @throws IllegalArgumentException for an unknown word, or for cuda where it cannot run
   */
  public static BackendChoice backend(String backend, ModelConfig config) {
    return BackendKind.choice(backend, config);
  }

  /** {@link #memoryPlan(EngineOptions, int, int)} for a document whose cache is not kept. */
  public static MemoryPlan memoryPlan(EngineOptions options, int tokens) {
    return memoryPlan(options, tokens, 0);
  }

  /**
   * The device memory that an engine takes for a document of some length, item by item; needs no
   * device. Weights come first: the engines of one JVM on one GPU share them.
   *
   * @param room tokens that may follow on the document's cache, as for {@link #prefillKeeping}; 0
   *     if it is not kept
   * @throws IllegalArgumentException if the options, config.json or the pattern file are wrong,
   *     saying how
   */
  public static MemoryPlan memoryPlan(EngineOptions options, int tokens, int room) {
    ModelConfig config = ModelConfig.read(Path.of(options.model()));
    AttentionPlan plan =
        AttentionPlan.parse(
            options.attention(), options.patternsJson(), config.layers(), config.heads());
    DeviceSizes sizes = BackendKind.sizes(options.backend(), options.threads());
    DocumentMemory memory = new DocumentMemory(sizes, config, plan, options);
    List<MemoryPlan.Item> items = new ArrayList<>(memory.weights().items());
    items.addAll(memory.plan(tokens, room).items());
    return new MemoryPlan(items);
  }

  /**
   * Pre-fills one document; one call at a time.
   *
   * @param tokens token ids [T]
   * @param sink takes the KV blocks, or null when {@link Emit#KV} is not asked for
   * @throws IllegalStateException if another thread's call is still running, or a cache is kept
   * @throws Exception what went wrong with this document, or what the sink threw; the engine can go
   *     on
   */
  public PrefillResult prefill(int[] tokens, KvSink sink) throws Exception {
    claim();
    try {
      return new Prefill(backend, model.tensors(), plan, options, lines).run(tokens, sink);
    } finally {
      busy.set(false);
    }
  }

  /**
   * Whether the memory of a document can be had on the device as it is, beside what other engines
   * have reserved there.
   *
   * @param room tokens that may follow on its cache; 0 if that is not kept
   */
  boolean hasRoomFor(int tokens, int room) {
    DocumentMemory memory =
        new DocumentMemory(backend.sizes(), model.tensors().config(), plan, options);
    return memory.plan(tokens, room).total() <= backend.reservable();
  }

  /**
   * Gives back the device memory that is kept from one document to the next; the next one reserves
   * its own anew. Not during a pre-fill, which the caller sees to.
   */
  synchronized void unreserve() {
    if (!closed) {
      backend.unreserve();
    }
  }

  /**
   * Pre-fills one document and keeps its cache on the device, for what follows; the engine takes no
   * other document until the cache is closed.
   *
   * @param tokens token ids [T]
   * @param sink takes the KV blocks of the document, or null when {@link Emit#KV} is not asked for
   * @param room how many tokens may follow, at least 1; memory for them is set aside
   * @throws IllegalArgumentException if there is no room, or the engine was opened without anything
   *     that needs logits
   * @throws IllegalStateException if another thread's call is still running, or a cache is kept
   * @throws Exception as {@link #prefill}
   */
  public KeptCache prefillKeeping(int[] tokens, KvSink sink, int room) throws Exception {
    claim();
    boolean complete = false;
    try {
      KeptCache cache =
          new Prefill(backend, model.tensors(), plan, options, lines)
              .keep(tokens, sink, room, () -> busy.set(false));
      complete = true;
      return cache;
    } finally {
      if (!complete) {
        busy.set(false);
      }
    }
  }

  /**
   * Walks a document through all layers with dense attention, whatever the engine's plan is, and
   * shows each layer to an observer, who may try patterns on its queries, keys and values. Nothing
   * that {@link EngineOptions#emit} names is computed. One call at a time, as {@link #prefill}.
   *
   * @param tokens token ids [T], at least one
   * @throws IllegalStateException if another thread's call is still running
   * @throws OutOfDeviceMemory naming every item, if the document does not fit
   * @throws Exception what went wrong with this document, or what the observer threw; the engine
   *     can go on
   */
  public void observe(int[] tokens, LayerObserver observer) throws Exception {
    claim();
    try {
      new DenseWalk(backend, model.tensors(), options).run(tokens, observer);
    } finally {
      busy.set(false);
    }
  }

  /**
   * Sees to it that an attention which keeps the lines of an earlier document keeps those of this
   * one: pre-fills it unless it has been the last one given here. Other attentions are left alone.
   *
   * @param document token ids [T]
   * @throws Exception as {@link #prefill}; no lines are kept then
   */
  void keepLinesOf(int[] document) throws Exception {
    if (!lines.lack(document)) {
      return;
    }
    lines.forget();
    prefill(document, null);
    lines.chosenOn(document);
  }

  private void claim() {
    if (!busy.compareAndSet(false, true)) {
      throw new IllegalStateException(
          "Cannot pre-fill two documents at a time on one engine: open an engine for each thread, and close a cache before the next document");
    }
  }

  /** The model's configuration. */
  public ModelConfig config() {
    return model.tensors().config();
  }

  /** The device. */
  public String device() {
    return backend.device();
  }

  @Override
  public synchronized void close() {
    closed = true;
    model.close();
    backend.close();
  }
}
