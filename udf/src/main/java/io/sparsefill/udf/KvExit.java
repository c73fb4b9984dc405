package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.Tensor;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

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
  private final Pair[] pairs;
  private final ExecutorService thread;

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
    for (int i = 0; i < pairs.length; i++) {
      Tensor k = backend.allocate(tokens, width, "keys of a layer, " + tokens + " tokens");
      pairs[i] =
          new Pair(k, backend.allocate(tokens, width, "values of a layer, " + tokens + " tokens"));
    }
    this.thread =
        Executors.newSingleThreadExecutor(
            task -> {
              Thread leaving = new Thread(task, "sparsefill-kv");
              leaving.setDaemon(true);
              return leaving;
            });
  }

  /** Waits until a layer may overwrite its buffers. */
  void awaitFree(int layer) throws Exception {
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
            departure.complete(null);
          } catch (Throwable e) { // handed to the pre-fill's thread, which throws it on
            departure.completeExceptionally(e);
          }
        });
  }

  private void blocks(int layer, Pair pair) throws Exception {
    long tokens = pair.k.rows();
    for (int block = 0; (long) block * blockTokens < tokens; block++) {
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
      if (e.getCause() instanceof Exception failure) {
        throw failure;
      }
      throw (Error) e.getCause();
    }
  }

  /** Ends the thread, waiting for a block that is on its way, and frees the buffers. */
  @Override
  public void close() {
    thread.shutdownNow();
    boolean interrupted = false;
    while (true) {
      try {
        if (thread.awaitTermination(1, java.util.concurrent.TimeUnit.HOURS)) {
          break;
        }
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    for (Pair pair : pairs) {
      pair.k.close();
      pair.v.close();
    }
  }
}
