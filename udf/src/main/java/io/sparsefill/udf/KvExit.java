package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.Tensor;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/**
 * Where the keys and values of a layer leave: two pairs of buffers, and one thread that hands their
 * blocks to the sink in order, while others cut them ({@link LayerBlocks}). While the layers go on,
 * layer l fills the pair that layer l - 2 used, and waits until the sink has taken all of that one:
 * at most two layers are in flight, whatever the sink does. Where the cache is kept, every layer
 * has a pair of its own, and none waits.
 */
final class KvExit implements AutoCloseable {
  /** Threads that cut blocks; more than that the memory of a host does not feed. */
  private static final int MOST_CUTTERS = 8;

  private final Backend backend;
  private final KvSink sink;
  private final KvDtype dtype;
  private final int headDim;
  private final int blockTokens;
  private final Pair[] pairs;
  private final SideThread thread = new SideThread("sparsefill-kv", 1, true);
  private final SideThread cutters;
  private volatile Throwable failure;
  private volatile boolean closing;

  /** Keys and values of one layer, and the departure of the layer that they held last. */
  static final class Pair {
    final Tensor k; // [T, G * D]
    final Tensor v; // [T, G * D]
    private CompletableFuture<Void> departure = CompletableFuture.completedFuture(null);

    private Pair(Tensor k, Tensor v) {
      this.k = k;
      this.v = v;
    }

    /** Keys of the first tokens [count, G * D]. */
    Tensor keys(int count) {
      return k.rows(0, count);
    }

    /** Values of the first tokens [count, G * D]. */
    Tensor values(int count) {
      return v.rows(0, count);
    }
  }

  /**
   * Makes the way out.
   *
   * @param pairs what {@link #pairs} made
   * @param tokens T, how many of their rows the document fills
   * @param sink takes the blocks, or null when nothing leaves
   * @param headDim D
   * @param threads CPU threads of the pre-fill
   */
  KvExit(
      Backend backend,
      Pair[] pairs,
      int tokens,
      KvSink sink,
      KvDtype dtype,
      int headDim,
      int blockTokens,
      int threads) {
    this.backend = backend;
    this.pairs = new Pair[pairs.length];
    for (int i = 0; i < pairs.length; i++) {
      this.pairs[i] = new Pair(pairs[i].keys(tokens), pairs[i].values(tokens));
    }
    this.sink = sink;
    this.dtype = dtype;
    this.headDim = headDim;
    this.blockTokens = blockTokens;
    this.cutters = new SideThread("sparsefill-kv-cut", Math.min(threads, MOST_CUTTERS), false);
  }

  /**
   * The buffers.
   *
   * @param count how many: two where keys and values leave, one where they do not, and one for each
   *     layer where they stay
   */
  static Pair[] pairs(Buffers buffers, int tokens, int width, int count) {
    Pair[] pairs = new Pair[count];
    for (int i = 0; i < pairs.length; i++) {
      Tensor k = buffers.tensor(tokens, width, "keys of a layer, " + tokens + " tokens");
      pairs[i] =
          new Pair(k, buffers.tensor(tokens, width, "values of a layer, " + tokens + " tokens"));
    }
    return pairs;
  }

  /**
   * Waits until a layer may overwrite its buffers.
   *
   * @throws Exception what the sink threw, at whichever layer
   */
  void awaitFree(int layer) throws Exception {
    if (failure != null) {
      throw SideThread.thrown(failure);
    }
    await(pair(layer).departure);
  }

  /** Keys of a layer [T, G * D]. */
  Tensor keys(int layer) {
    return pair(layer).k;
  }

  /** Values of a layer [T, G * D]. */
  Tensor values(int layer) {
    return pair(layer).v;
  }

  private Pair pair(int layer) {
    return pairs[layer % pairs.length];
  }

  /**
   * Lets a layer's keys and values go; they stay readable, but may not be written before {@link
   * #awaitFree}.
   */
  void depart(int layer) {
    if (sink == null) {
      return;
    }
    Pair pair = pair(layer);
    pair.departure = new CompletableFuture<>();
    CompletableFuture<Void> departure = pair.departure;
    thread.execute(
        () -> {
          try {
            blocks(layer, pair);
          } catch (Throwable e) { // handed to the pre-fill's thread, which throws it on
            failure = e;
          }
          // A layer behind a failed one ends with the same failure: its blocks were not taken.
          if (failure == null) {
            departure.complete(null);
          } else {
            departure.completeExceptionally(failure);
          }
        });
  }

  private void blocks(int layer, Pair pair) throws Exception {
    if (failure != null) {
      return;
    }
    LayerBlocks blocks =
        new LayerBlocks(backend, cutters, layer, pair.k, pair.v, dtype, headDim, blockTokens);
    while (!closing) {
      CompletableFuture<KvBlock> block = blocks.next();
      if (block == null) {
        return;
      }
      sink.accept(await(block));
    }
  }

  /** Waits until all layers have left. */
  void awaitAll() throws Exception {
    for (Pair pair : pairs) {
      await(pair.departure);
    }
  }

  private static <T> T await(CompletableFuture<T> departure) throws Exception {
    try {
      return departure.get();
    } catch (ExecutionException e) {
      throw SideThread.thrown(e.getCause());
    }
  }

  /**
   * Interrupts the sink, for a pre-fill that was interrupted itself. A pre-fill that fails for
   * another reason lets the sink finish its block: an interrupted write would cost more than the
   * document.
   */
  void interrupt() {
    thread.interrupt();
  }

  /** Ends the threads, waiting for a block that is on its way. */
  @Override
  public void close() {
    closing = true;
    thread.close();
    cutters.close();
  }
}
