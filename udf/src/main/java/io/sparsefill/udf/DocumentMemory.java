package io.sparsefill.udf;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.DeviceSizes;
import io.sparsefill.kernels.MemoryPlan;
import io.sparsefill.kernels.OutOfDeviceMemory;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.udf.model.ModelConfig;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The device memory of one document beside what stays from one to the next: planned by the code
 * that then allocates it, and reserved before the first operator runs.
 */
final class DocumentMemory {
  private final DeviceSizes sizes;
  private final ModelConfig config;
  private final AttentionPlan attention;
  private final EngineOptions options;

  DocumentMemory(
      DeviceSizes sizes, ModelConfig config, AttentionPlan attention, EngineOptions options) {
    this.sizes = sizes;
    this.config = config;
    this.attention = attention;
    this.options = options;
  }

  /** States, queries and what the stages need. */
  Workspace workspace(Buffers buffers, int tokens, int room) {
    return workspace(buffers, tokens, room, options.emit());
  }

  private Workspace workspace(Buffers buffers, int tokens, int room, Set<Emit> emit) {
    return new Workspace(
        buffers, config, options.ropeFrequencies(), tokens, tokens + room, withHead(emit));
  }

  /** Keys and values. */
  KvExit.Pair[] pairs(Buffers buffers, int tokens, int room) {
    return pairs(buffers, tokens, room, options.emit());
  }

  private KvExit.Pair[] pairs(Buffers buffers, int tokens, int room, Set<Emit> emit) {
    int width = config.kvHeads() * config.headDim();
    int leaving = emit.contains(Emit.KV) ? 2 : 1;
    return KvExit.pairs(buffers, tokens + room, width, room > 0 ? config.layers() : leaving);
  }

  /** Whether logits are computed. */
  static boolean withHead(Set<Emit> emit) {
    return emit.contains(Emit.LOGITS)
        || emit.contains(Emit.NLL)
        || emit.contains(Emit.TOKEN_NLL)
        || emit.contains(Emit.ANSWER);
  }

  /**
   * What a document takes.
   *
   * @param tokens T
   * @param room tokens that may follow on its cache, which is kept then; 0 if it is not
   */
  MemoryPlan plan(int tokens, int room) {
    return plan(tokens, room, options.emit(), options.streams());
  }

  private MemoryPlan plan(int tokens, int room, Set<Emit> emit, boolean streams) {
    Buffers.Planned planned = new Buffers.Planned(sizes);
    workspace(planned, tokens, room, emit);
    if (room > 0) {
      planned.addAll(
          "keys and values of %d layers, %d tokens".formatted(config.layers(), tokens + room),
          part -> pairs(part, tokens, room, emit));
    } else {
      pairs(planned, tokens, room, emit);
    }
    if (streams) {
      planned.addAll(
          "weights of two streamed layers", part -> LayerFeed.Streamed.tensors(part, config));
    }
    planned.add("token ids", sizes.floatBytes(1, tokens + room));
    planned.add("attention index", indexBytes(tokens, room));
    return planned.plan();
  }

  /** Of the layers one after the other, the one that takes most; what follows is dense. */
  private long indexBytes(int tokens, int room) {
    long most = 0;
    Set<List<Object>> seen = new HashSet<>();
    for (int l = 0; l < config.layers(); l++) {
      if (seen.add(List.of(attention.layer(l), config.window(l)))) {
        AttentionShape shape = Prefill.shape(config, l, tokens);
        most = Math.max(most, sizes.indexBytes(attention.layer(l), shape, attention.dispatch(), 0));
        if (room > 0) {
          AttentionShape all = Prefill.shape(config, l, tokens + room);
          most = Math.max(most, sizes.indexBytes(KeptCache.dense(config), all, false, 0));
        }
      }
    }
    return most;
  }

  /** What the weights take that all documents share. */
  MemoryPlan weights() {
    return weights(options.streams());
  }

  private MemoryPlan weights(boolean streams) {
    Buffers.Planned planned = new Buffers.Planned(sizes);
    planned.tensor(config.vocab(), config.hiddenSize(), "embedding");
    planned.tensor(1, config.hiddenSize(), "final norm");
    if (withHead(options.emit()) && !config.tiedEmbedding()) {
      planned.tensor(config.vocab(), config.hiddenSize(), "output head");
    }
    if (!streams) {
      planned.addAll(
          "weights of %d layers".formatted(config.layers()),
          part -> {
            for (int l = 0; l < config.layers(); l++) {
              LayerTensors.allocated(part, config);
            }
          });
    }
    return planned.plan();
  }

  /**
   * Reserves what a document takes.
   *
   * @param room see {@link #plan}
   * @throws OutOfDeviceMemory naming every item, what is there and what would help
   */
  void reserve(Backend backend, int tokens, int room) {
    MemoryPlan plan = plan(tokens, room);
    long there = backend.reservable();
    if (plan.total() > there) {
      throw new OutOfDeviceMemory(
          "Cannot pre-fill %,d tokens%s: they take %s of device memory (%s), but only %s can be had on %s; %s"
              .formatted(
                  tokens,
                  room > 0 ? " and keep their cache with room for %,d more".formatted(room) : "",
                  MemoryPlan.gib(plan.total()),
                  plan.describe(),
                  MemoryPlan.gib(there),
                  backend.device(),
                  help(tokens, room, there)));
    }
    backend.reserve(plan);
  }

  /** What would make a document fit, in numbers. */
  private String help(int tokens, int room, long there) {
    StringBuilder help = new StringBuilder();
    int longest = longest(tokens, room, there);
    help.append(
        longest == 0 ? "no document fits as it is" : "%,d tokens would fit".formatted(longest));
    if (!options.streams()) {
      long streamed = plan(tokens, room, options.emit(), true).total() - plan(tokens, room).total();
      long freed = weights(false).total() - weights(true).total() - streamed;
      if (freed > 0) {
        help.append(", --weights stream would free ").append(MemoryPlan.gib(freed));
      }
    }
    for (Emit emit : List.of(Emit.KV, Emit.NLL, Emit.TOKEN_NLL, Emit.LOGITS)) {
      EnumSet<Emit> fewer = EnumSet.noneOf(Emit.class);
      fewer.addAll(options.emit());
      if (fewer.remove(emit) && !fewer.isEmpty()) {
        long freed =
            plan(tokens, room).total() - plan(tokens, room, fewer, options.streams()).total();
        if (freed > 0) {
          help.append(
              ", --emit without %s frees %s".formatted(emit.label(), MemoryPlan.gib(freed)));
        }
      }
    }
    return help.append("; fewer tasks on this GPU leave more to each").toString();
  }

  /** The longest document that takes no more than that many bytes; 0 when none does. */
  private int longest(int tooLong, int room, long bytes) {
    int fits = 0;
    int fails = tooLong;
    while (fails - fits > 1) {
      int middle = fits + (fails - fits) / 2;
      if (plan(middle, room).total() <= bytes) {
        fits = middle;
      } else {
        fails = middle;
      }
    }
    return fits;
  }
}
