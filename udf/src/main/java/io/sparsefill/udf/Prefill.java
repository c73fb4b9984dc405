package io.sparsefill.udf;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionCost;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.udf.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * One document through one model, layer-major: all tokens pass layer l before layer l + 1 starts.
 * The device holds the weights, the hidden states, and the queries, keys and values of one layer,
 * never the whole cache; each layer's keys and values leave ({@link KvExit}) while the next stages
 * compute.
 *
 * <p>Where the cache is kept ({@link KeptCache}), the keys and values of all layers stay too.
 *
 * <p>The last layer does only what was asked for: with KV alone it ends after RoPE, with the logits
 * of the last positions its queries, attention and MLP run for the last tokens only.
 */
final class Prefill {
  private final Backend backend;
  private final ModelTensors model;
  private final AttentionPlan plan;
  private final EngineOptions options;
  private final KeptLines lines;

  /**
   * A pre-fill.
   *
   * @param lines of an earlier document, or to keep this one's
   */
  Prefill(
      Backend backend,
      ModelTensors model,
      AttentionPlan plan,
      EngineOptions options,
      KeptLines lines) {
    this.backend = backend;
    this.model = model;
    this.plan = plan;
    this.options = options;
    this.lines = lines;
  }

  /**
   * Pre-fills.
   *
   * @param tokens token ids [T], T at least 1
   * @param sink takes the KV blocks; null when KV is not emitted
   * @throws IllegalArgumentException for an empty document or an id outside the vocabulary
   * @throws InterruptedException if the thread is interrupted
   * @throws Exception what the sink throws
   */
  PrefillResult run(int[] tokens, KvSink sink) throws Exception {
    long start = System.nanoTime();
    check(tokens, sink);
    try (DocumentTensors tensors = allocate(tokens.length, 0)) {
      return run(tokens, sink, tensors, start);
    }
  }

  /**
   * Pre-fills and keeps the keys and values of all layers.
   *
   * @param room how many tokens may follow on the cache, at least 1
   * @param afterClose called when the cache was closed
   * @throws IllegalArgumentException also if there is no room, or nothing asked for needs the
   *     output head, which what follows is read by
   */
  KeptCache keep(int[] tokens, KvSink sink, int room, Runnable afterClose) throws Exception {
    long start = System.nanoTime();
    check(tokens, sink);
    if (room < 1 || room > Integer.MAX_VALUE - tokens.length) {
      throw new IllegalArgumentException(
          "Cannot keep the cache of %,d tokens with room for %,d more: there must be room for at least one, and for no more than 2^31 together"
              .formatted(tokens.length, room));
    }
    if (!DocumentMemory.withHead(options.emit())) {
      throw new IllegalArgumentException(
          "Cannot keep a cache: the engine was opened for %s, without the output head that what follows is read by; add answer or logits"
              .formatted(options.emit()));
    }
    DocumentTensors tensors = allocate(tokens.length, room);
    boolean complete = false;
    try {
      PrefillResult result = run(tokens, sink, tensors, start);
      complete = true;
      return new KeptCache(backend, model, tensors, result, everyState(), afterClose);
    } finally {
      if (!complete) {
        tensors.close();
      }
    }
  }

  private void check(int[] tokens, KvSink sink) {
    if (tokens.length == 0) {
      throw new IllegalArgumentException(
          "Cannot pre-fill: the document has no tokens; leave it out");
    }
    checkIds("pre-fill", tokens, model.config().vocab());
    if (options.emit().contains(Emit.KV) && sink == null) {
      throw new IllegalArgumentException(
          "Cannot pre-fill: KV blocks are asked for, but there is no sink to take them");
    }
  }

  /**
   * Checks that ids are in the vocabulary.
   *
   * @param what cannot be done otherwise, for the error
   */
  static void checkIds(String what, int[] tokens, int vocab) {
    for (int i = 0; i < tokens.length; i++) {
      if (tokens[i] < 0 || tokens[i] >= vocab) {
        throw new IllegalArgumentException(
            "Cannot %s: token %d has id %d, but the model's ids are 0 to %d"
                .formatted(what, i, tokens[i], vocab - 1));
      }
    }
  }

  private DocumentTensors allocate(int tokens, int room) {
    DocumentMemory memory = new DocumentMemory(backend.sizes(), model.config(), plan, options);
    return new DocumentTensors(backend, memory, model, tokens, room);
  }

  private PrefillResult run(int[] tokens, KvSink sink, DocumentTensors tensors, long start)
      throws Exception {
    try (LayerFeed weights = model.feed(backend, tensors.streamed);
        KvExit exit =
            new KvExit(
                backend,
                tensors.pairs,
                tokens.length,
                options.emit().contains(Emit.KV) ? sink : null,
                options.kvDtype(),
                model.config().headDim(),
                options.blockTokens(),
                options.threads())) {
      try {
        return compute(tokens, tensors.work, tensors.kept(), weights, exit, start);
      } catch (Exception | Error e) {
        if (e instanceof InterruptedException) {
          exit.interrupt();
        }
        finish(backend, e);
        throw e;
      }
    }
  }

  /** Lets the device finish what a failed pass began: its errors are not the next one's. */
  static void finish(Backend backend, Throwable failure) {
    try {
      backend.complete();
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
    }
  }

  /** Whether the states of all tokens after the last layer are read. */
  private boolean everyState() {
    return options.emit().contains(Emit.NLL) || options.emit().contains(Emit.TOKEN_NLL);
  }

  private PrefillResult compute(
      int[] tokens, Workspace work, boolean kept, LayerFeed weights, KvExit exit, long start)
      throws Exception {
    Set<Emit> emit = options.emit();
    int lastPositions = Math.min(options.lastPositions(), tokens.length);
    // How many of the last tokens' states after the last layer are read.
    int needed = 0;
    if (everyState()) {
      needed = tokens.length;
    } else if (emit.contains(Emit.LOGITS)) {
      needed = lastPositions;
    } else if (emit.contains(Emit.HIDDEN) || kept) {
      // What follows a kept cache shares a query tile with its last tokens: their queries must be
      // numbers in every layer.
      needed = 1;
    }
    Accounting accounting = new Accounting(lines.begin(tokens.length));
    backend.embed(model.embedding(), tokens, 0, work.hidden.rows(0, tokens.length));
    int lastLayer = model.config().layers() - 1;
    for (int l = 0; l <= lastLayer; l++) {
      int firstNeeded = l == lastLayer ? tokens.length - needed : 0;
      AttentionShape shape = shape(model.config(), l, tokens.length);
      layer(l, firstNeeded, shape, work, weights.layer(l), exit, accounting);
      weights.done();
    }
    Scores scores = new Scores(backend, model, work);
    float[] nll = everyState() ? scores.nll(tokens) : null;
    float[][] logits =
        emit.contains(Emit.LOGITS)
            ? scores.logits(tokens.length - lastPositions, tokens.length)
            : null;
    float[] hidden = emit.contains(Emit.HIDDEN) ? scores.hidden(tokens.length - 1) : null;
    exit.awaitAll();
    backend.complete();
    return new PrefillResult(
        tokens.length,
        logits,
        nll,
        hidden,
        accounting.describe(plan) + accounting.lines.end(),
        accounting.density(),
        accounting.seconds(),
        (System.nanoTime() - start) / 1e9,
        backend.device());
  }

  /** The attention of a layer over a document of that many tokens. */
  static AttentionShape shape(ModelConfig config, int l, int tokens) {
    return new AttentionShape(
        tokens,
        config.heads(),
        config.kvHeads(),
        config.headDim(),
        config.attentionScale(),
        config.window(l));
  }

  /**
   * One layer.
   *
   * @param firstNeeded first token whose hidden state is needed after this layer; T when only K and
   *     V are
   */
  private void layer(
      int l,
      int firstNeeded,
      AttentionShape shape,
      Workspace work,
      LayerTensors weights,
      KvExit exit,
      Accounting accounting)
      throws Exception {
    int tokens = shape.tokens();
    int firstTile = firstNeeded / TILE;
    boolean stopsAtKv = firstNeeded == tokens;
    // Estimates look at the last 64 queries, also when fewer rows are wanted.
    int firstQuery = stopsAtKv ? tokens : Math.max(0, Math.min(firstTile * TILE, tokens - TILE));
    if (!stopsAtKv && plan.readsAllQueries()) {
      firstQuery = 0;
    }
    exit.awaitFree(l);
    Tensor keys = exit.keys(l);
    Tensor values = exit.values(l);
    Layer layer = new Layer(backend, model.config(), weights, shape, work);
    layer.project(0, firstQuery, keys, values);
    exit.depart(l);
    if (!stopsAtKv) {
      KeptLines.Document kept = accounting.lines;
      List<HeadPattern> patterns = kept.patterns(l, plan.layer(l));
      AttentionCost cost =
          layer.attend(
              patterns, plan.dispatch(), firstTile, keys, values, index -> kept.indexed(l, index));
      accounting.add(cost, shape.heads());
      layer.feedForward(firstTile * TILE, work.queries);
    }
  }

  /** What the attention of all layers computed. It is read when all of them are done. */
  private static final class Accounting {
    private final KeptLines.Document lines;
    private final List<AttentionCost> layers = new ArrayList<>();
    private int heads;

    Accounting(KeptLines.Document lines) {
      this.lines = lines;
    }

    void add(AttentionCost cost, int layerHeads) {
      layers.add(cost);
      heads += layerHeads;
    }

    double density() {
      long computed = layers.stream().mapToLong(AttentionCost::computedTiles).sum();
      long causal = layers.stream().mapToLong(AttentionCost::causalTiles).sum();
      return causal == 0 ? 1 : (double) computed / causal;
    }

    double seconds() {
      return layers.stream().mapToDouble(AttentionCost::seconds).sum();
    }

    String describe(AttentionPlan plan) {
      int sparse = layers.stream().mapToInt(AttentionCost::sparseHeads).sum();
      return "%s: %d of %d heads sparse".formatted(plan.name(), sparse, heads);
    }
  }
}
