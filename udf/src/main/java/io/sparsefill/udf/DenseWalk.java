package io.sparsefill.udf;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.MemoryPlan;
import io.sparsefill.kernels.OutOfDeviceMemory;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.Workers;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.udf.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;

/**
 * One document through all layers with dense attention, for an observer: a {@link Prefill} of which
 * nothing leaves. Whatever the observer tries on a layer, the next one gets the exact output.
 */
final class DenseWalk {
  private final Backend backend;
  private final ModelTensors model;
  private final ModelConfig config;
  private final EngineOptions options;

  DenseWalk(Backend backend, ModelTensors model, EngineOptions options) {
    this.backend = backend;
    this.model = model;
    this.config = model.config();
    this.options = options;
  }

  /** Walks; see {@link Engine#observe}. */
  void run(int[] tokens, LayerObserver observer) throws Exception {
    DocumentMemory memory =
        new DocumentMemory(
            backend.sizes(),
            config,
            AttentionPlan.parse("dense", null, config.layers(), config.heads()),
            options);
    reserve(memory, tokens.length, observer);
    try (Buffers.OnDevice buffers = new Buffers.OnDevice(backend)) {
      Workspace work = memory.workspace(buffers, tokens.length, 0);
      try (LayerFeed weights = model.feed(backend, model.streamed(buffers));
          Workers workers = new Workers(options.threads())) {
        KvExit.Pair cache = memory.pairs(buffers, tokens.length, 0)[0];
        Outputs outputs = new Outputs(buffers, config, tokens.length);
        layers(tokens, work, cache, outputs, weights, workers, observer);
        backend.complete();
      } catch (Exception | Error e) {
        Prefill.finish(backend, e);
        throw e;
      }
    }
  }

  /** What a walk needs besides a document's memory. */
  private static final class Outputs {
    final Tensor exact; // [T, H * D]
    final Tensor tried; // [T, H * D]

    Outputs(Buffers buffers, ModelConfig config, int tokens) {
      int width = config.heads() * config.headDim();
      exact = buffers.tensor(tokens, width, "dense attention, " + tokens + " tokens");
      tried = buffers.tensor(tokens, width, "attention of a pattern, " + tokens + " tokens");
    }
  }

  private void layers(
      int[] tokens,
      Workspace work,
      KvExit.Pair cache,
      Outputs outputs,
      LayerFeed weights,
      Workers workers,
      LayerObserver observer)
      throws Exception {
    backend.embed(model.embedding(), tokens, 0, work.hidden);
    for (int l = 0; l < config.layers(); l++) {
      AttentionShape shape = Prefill.shape(config, l, tokens.length);
      Layer layer = new Layer(backend, config, weights.layer(l), shape, work);
      layer.project(0, 0, cache.k, cache.v);
      ObservedLayer observed =
          new ObservedLayer(
              backend,
              workers,
              l,
              shape,
              new ObservedLayer.Inputs(work.queries, cache.k, cache.v),
              outputs.exact,
              outputs.tried);
      observer.layer(observed);
      layer.feedForward(0, outputs.exact);
      weights.done();
    }
  }

  private void reserve(DocumentMemory memory, int tokens, LayerObserver observer) {
    Buffers.Planned outputs = new Buffers.Planned(backend.sizes());
    new Outputs(outputs, config, tokens);
    long index = 0;
    for (int l = 0; l < config.layers(); l++) {
      AttentionShape shape = Prefill.shape(config, l, tokens);
      for (List<HeadPattern> patterns : observer.largest(shape)) {
        index = Math.max(index, backend.sizes().indexBytes(patterns, shape, false, 0));
      }
    }
    List<MemoryPlan.Item> items = new ArrayList<>(memory.plan(tokens, 0).items());
    items.addAll(outputs.plan().items());
    items.add(new MemoryPlan.Item("attention index of the patterns to try", index));
    MemoryPlan plan = new MemoryPlan(items);
    long there = backend.reservable();
    if (plan.total() > there) {
      throw new OutOfDeviceMemory(
          "Cannot try patterns on %,d tokens: they take %s of device memory (%s), but only %s can be had on %s; use shorter documents or --weights stream"
              .formatted(
                  tokens,
                  MemoryPlan.gib(plan.total()),
                  plan.describe(),
                  MemoryPlan.gib(there),
                  backend.device()));
    }
    backend.reserve(plan);
  }
}
