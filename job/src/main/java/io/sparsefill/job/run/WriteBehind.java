package io.sparsefill.job.run;

import io.sparsefill.udf.SideThread;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Writes on threads of its own, so that an engine goes on while what it made is encoded and stored.
 * There are lanes, each a thread that writes in the order in which writes are given to it, and one
 * more thread for writes that must come behind those of all lanes. What waits is bounded in bytes:
 * beyond that, giving one more waits.
 *
 * <p>The first failure, in whichever lane, ends it: later writes are dropped, and every later call
 * throws that failure.
 */
final class WriteBehind implements AutoCloseable {
  private final int capacity;
  private final Semaphore room;
  private final List<SideThread> lanes = new ArrayList<>();
  private final SideThread behind = new SideThread("sparsefill-write-behind", 1, true);
  private final AtomicReference<Throwable> failure = new AtomicReference<>();
  private volatile long waitedNanos; // one thread gives at a time

  /** One write. */
  @FunctionalInterface
  interface Write {
    void run() throws IOException;
  }

  /**
   * Starts the threads.
   *
   * @param capacity bytes that may wait, in all lanes together; a single larger write waits alone
   * @param lanes their number, at least 1
   */
  WriteBehind(int capacity, int lanes) {
    this.capacity = capacity;
    this.room = new Semaphore(capacity);
    for (int lane = 0; lane < lanes; lane++) {
      this.lanes.add(new SideThread("sparsefill-write-" + lane, 1, true));
    }
  }

  /**
   * Gives a write to a lane, and waits for room if there is none.
   *
   * @param lane from 0
   * @param bytes that the write holds in memory until it is done
   * @throws IOException what an earlier write threw
   */
  void put(int lane, long bytes, Write write) throws IOException, InterruptedException {
    int held = hold(bytes);
    lanes.get(lane).execute(() -> run(write, held));
  }

  /**
   * Gives a write that begins when all that were given before it are done, in every lane; waits for
   * room if there is none.
   *
   * @param bytes that the write holds in memory until it is done
   * @throws IOException what an earlier write threw
   */
  void putBehindAll(long bytes, Write write) throws IOException, InterruptedException {
    int held = hold(bytes);
    CompletableFuture<Void> before = reached();
    behind.execute(
        () -> {
          try {
            before.get();
          } catch (InterruptedException e) { // it was closed: the lanes may never get there
            failure.compareAndSet(null, e);
          } catch (ExecutionException e) {
            throw new IllegalStateException("Nothing completes this exceptionally", e);
          }
          run(write, held);
        });
  }

  /** Completes when every lane has done what it was given so far. */
  private CompletableFuture<Void> reached() {
    List<CompletableFuture<Void>> marks = new ArrayList<>();
    for (SideThread lane : lanes) {
      CompletableFuture<Void> mark = new CompletableFuture<>();
      lane.execute(() -> mark.complete(null));
      marks.add(mark);
    }
    return CompletableFuture.allOf(marks.toArray(new CompletableFuture<?>[0]));
  }

  private int hold(long bytes) throws IOException, InterruptedException {
    rethrowFailure();
    int held = (int) Math.min(capacity, Math.max(1, bytes));
    if (!room.tryAcquire(held)) {
      long start = System.nanoTime();
      room.acquire(held);
      waitedNanos += System.nanoTime() - start;
    }
    return held;
  }

  private void run(Write write, int held) {
    try {
      if (failure.get() == null) {
        write.run();
      }
    } catch (Throwable e) { // thrown on by the next call
      failure.compareAndSet(null, e);
    } finally {
      room.release(held);
    }
  }

  /**
   * Waits until everything given so far is written.
   *
   * @throws IOException what a write threw
   */
  void await() throws IOException, InterruptedException {
    CompletableFuture<Void> before = reached();
    CompletableFuture<Void> all = new CompletableFuture<>();
    behind.execute(() -> all.complete(null));
    try {
      before.get();
      all.get();
    } catch (ExecutionException e) {
      throw new IllegalStateException("Nothing completes this exceptionally", e);
    }
    rethrowFailure();
  }

  /** Throws what a write threw, if one did. */
  void rethrowFailure() throws IOException {
    Throwable thrown = failure.get();
    if (thrown == null) {
      return;
    }
    if (thrown instanceof IOException e) {
      throw e;
    }
    if (thrown instanceof RuntimeException e) {
      throw e;
    }
    if (thrown instanceof Error e) {
      throw e;
    }
    throw new IllegalStateException("Writing was interrupted", thrown);
  }

  /** Seconds that writes waited for room before they were taken. */
  double waitedSeconds() {
    return waitedNanos / 1e9;
  }

  /** Ends the threads, interrupting writes that are still on their way. */
  @Override
  public void close() {
    lanes.forEach(SideThread::interrupt);
    behind.interrupt();
    lanes.forEach(SideThread::close);
    behind.close();
  }
}
