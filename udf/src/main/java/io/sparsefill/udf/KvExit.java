package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * Where the keys and values of a layer leave: two pairs of buffers, and one thread that cuts them
 * into blocks for the sink. While the layers go on, layer l fills the pair that layer l - 2 used,
 * and waits until the sink has taken all of that one: at most two layers are in flight, whatever
 * the sink does.
 */
final class KvExit implements AutoCloseable {
  private final Backend backend;
  private final KvSink sink;
  private final KvDtype dtype;
  private final int blockTokens;
  private final List<Tensor> owned = new ArrayList<>();
  private final Pair[] pairs;
  private final ExecutorService thread;
  private volatile Throwable failure;
  private volatile boolean closing;

  /** Keys and values of one layer, and the departure of the layer that they held last. */
  private static final class Pair {
    final Tensor k;
    final Tensor v;
    CompletableFuture<Void> departure = CompletableFuture.completedFuture(null);

    Pair(Tensor k, Tensor v) {
      this.k = k;
      this.v = v;
    }
  }

  /**
   * Allocates the buffers.
   *
   * @param sink takes the blocks, or null when nothing leaves; one pair is enough then
   */
  KvExit(Backend backend, KvSink sink, KvDtype dtype, int blockTokens, int tokens, int width) {
    this.backend = backend;
    this.sink = sink;
    this.dtype = dtype;
    this.blockTokens = blockTokens;
    this.pairs = new Pair[sink == null ? 1 : 2];
    boolean complete = false;
    try {
      for (int i = 0; i < pairs.length; i++) {
        Tensor k = allocate(tokens, width, "keys of a layer, ");
        pairs[i] = new Pair(k, allocate(tokens, width, "values of a layer, "));
      }
      complete = true;
    } finally {
      if (!complete) {
        owned.forEach(Tensor::close);
      }
    }
    this.thread =
        Executors.newSingleThreadExecutor(
            task -> {
              Thread leaving = new Thread(task, "sparsefill-kv");
              leaving.setDaemon(true);
              return leaving;
            });
  }

  private Tensor allocate(int tokens, int width, String what) {
    Tensor tensor = backend.allocate(tokens, width, what + tokens + " tokens");
    owned.add(tensor);
    return tensor;
  }

  /**
   * Waits until a layer may overwrite its buffers.
   *
   * @throws Exception what the sink threw, at whichever layer
   */
  void awaitFree(int layer) throws Exception {
    if (failure != null) {
      rethrow(failure);
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
    long tokens = pair.k.rows();
    for (int block = 0; (long) block * blockTokens < tokens; block++) {
      if (failure != null || closing) {
        return;
      }
      int start = block * blockTokens;
      int count = (int) Math.min(blockTokens, tokens - start);
      byte[] key = pack(layer, start, "keys", pair.k.rows(start, count));
      byte[] value = pack(layer, start, "values", pair.v.rows(start, count));
      sink.accept(
          new KvBlock(layer, block, start, count, dtype, key, value, KvBlock.checksum(key, value)));
    }
  }

  private byte[] pack(int layer, int start, String what, Tensor rows) {
    try {
      return backend.pack(rows, dtype);
    } catch (ArithmeticException e) {
      throw new ArithmeticException(
          "Layer %d, %s from token %d on: %s".formatted(layer, what, start, e.getMessage()));
    }
  }

  /** Waits until all layers have left. */
  void awaitAll() throws Exception {
    for (Pair pair : pairs) {
      await(pair.departure);
    }
  }

  private static void await(CompletableFuture<Void> departure) throws Exception {
    try {
      departure.get();
    } catch (ExecutionException e) {
      rethrow(e.getCause());
    }
  }

  private static void rethrow(Throwable failure) throws Exception {
    if (failure instanceof Exception exception) {
      throw exception;
    }
    throw (Error) failure;
  }

  /**
   * Interrupts the sink, for a pre-fill that was interrupted itself. A pre-fill that fails for
   * another reason lets the sink finish its block: an interrupted write would cost more than the
   * document.
   */
  void interrupt() {
    thread.shutdownNow();
  }

  /** Ends the thread, waiting for a block that is on its way, and frees the buffers. */
  @Override
  public void close() {
    closing = true;
    thread.shutdown();
    boolean interrupted = false;
    while (!thread.isTerminated()) {
      try {
        thread.awaitTermination(1, TimeUnit.HOURS);
      } catch (InterruptedException e) {
        interrupted = true;
        interrupt();
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    owned.forEach(Tensor::close);
  }
}
