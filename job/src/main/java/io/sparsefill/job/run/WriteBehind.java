package io.sparsefill.job.run;

import io.sparsefill.udf.SideThread;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;

/**
 * Writes in the order in which writes are given, on a thread of its own, so that an engine goes on
 * while what it made is encoded and stored. What waits is bounded in bytes: beyond that, giving one
 * more waits.
 *
 * <p>The first failure ends it: later writes are dropped, and every later call throws that failure.
 */
final class WriteBehind implements AutoCloseable {
  private final int capacity;
  private final Semaphore room;
  private final SideThread thread = new SideThread("sparsefill-write", 1, true);
  private volatile Throwable failure;
  private volatile long waitedNanos; // one thread gives at a time

  /** One write. */
  @FunctionalInterface
  interface Write {
    void run() throws IOException;
  }

  /**
   * Starts the thread.
   *
   * @param capacity bytes that may wait; a single larger write waits alone
   */
  WriteBehind(int capacity) {
    this.capacity = capacity;
    this.room = new Semaphore(capacity);
  }

  /**
   * Gives a write, and waits for room if there is none.
   *
   * @param bytes that the write holds in memory until it is done
   * @throws IOException what an earlier write threw
   */
  void put(long bytes, Write write) throws IOException, InterruptedException {
    rethrowFailure();
    int held = (int) Math.min(capacity, Math.max(1, bytes));
    if (!room.tryAcquire(held)) {
      long start = System.nanoTime();
      room.acquire(held);
      waitedNanos += System.nanoTime() - start;
    }
    thread.execute(
        () -> {
          try {
            if (failure == null) {
              write.run();
            }
          } catch (Throwable e) { // thrown on by the next call
            failure = e;
          } finally {
            room.release(held);
          }
        });
  }

  /**
   * Waits until everything given so far is written.
   *
   * @throws IOException what a write threw
   */
  void await() throws IOException, InterruptedException {
    CompletableFuture<Void> reached = new CompletableFuture<>();
    thread.execute(() -> reached.complete(null));
    try {
      reached.get();
    } catch (ExecutionException e) {
      throw new IllegalStateException("Nothing completes this exceptionally", e);
    }
    rethrowFailure();
  }

  /** Throws what a write threw, if one did. */
  void rethrowFailure() throws IOException {
    Throwable thrown = failure;
    if (thrown instanceof IOException e) {
      throw e;
    }
    if (thrown instanceof RuntimeException e) {
      throw e;
    }
    if (thrown != null) {
      throw (Error) thrown;
    }
  }

  /** Seconds that writes waited for room before they were taken. */
  double waitedSeconds() {
    return waitedNanos / 1e9;
  }

  /** Ends the thread, interrupting a write that is still on its way. */
  @Override
  public void close() {
    thread.interrupt();
    thread.close();
  }
}
