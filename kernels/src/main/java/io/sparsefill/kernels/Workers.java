package io.sparsefill.kernels;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;

/**
 * The CPU threads of one backend: the caller and {@code threads - 1} of a pool that closes with it.
 */
public final class Workers implements AutoCloseable {
  private final int threads;
  private final ExecutorService pool;

  /** Starts them; the caller counts as one. */
  public Workers(int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("A backend needs at least 1 thread, not " + threads);
    }
    this.threads = threads;
    AtomicInteger number = new AtomicInteger();
    this.pool =
        Executors.newFixedThreadPool(
            Math.max(1, threads - 1),
            task -> {
              Thread thread = new Thread(task, "sparsefill-cpu-" + number.incrementAndGet());
              thread.setDaemon(true);
              return thread;
            });
  }

  /** How many threads work, the caller included. */
  public int threads() {
    return threads;
  }

  /** The work on one item, with the scratch memory of the thread that does it. */
  public interface Body<S> {
    /** Works on one item with its thread's scratch. */
    void run(int item, S scratch);
  }

  /** Runs items 0 .. count - 1, each on whichever thread is free, first ones first. */
  public <S> void forEach(int count, IntFunction<S> scratch, Body<S> body) {
    AtomicInteger next = new AtomicInteger();
    runOnAll(
        Math.min(count, threads),
        thread -> {
          S mine = scratch.apply(thread);
          for (int item = next.getAndIncrement(); item < count; item = next.getAndIncrement()) {
            body.run(item, mine);
          }
        });
  }

  /** A contiguous range of rows. */
  public interface Range {
    /** Works on rows [from, from + count). */
    void run(long from, int count);
  }

  /** Splits {@code rows} into one contiguous range for each thread. */
  public void ranges(long rows, Range body) {
    int parts = (int) Math.min(threads, rows);
    runOnAll(
        parts,
        part -> {
          long from = rows * part / parts;
          body.run(from, (int) (rows * (part + 1) / parts - from));
        });
  }

  private interface Part {
    void run(int part);
  }

  private void runOnAll(int parts, Part body) {
    List<Future<?>> others = new ArrayList<>();
    for (int part = 1; part < parts; part++) {
      int mine = part;
      others.add(pool.submit(() -> body.run(mine)));
    }
    Throwable failure = null;
    try {
      if (parts > 0) {
        body.run(0);
      }
    } catch (RuntimeException | Error e) {
      failure = e;
    }
    // Every part is waited for, also after a failure: their memory must not be freed under them.
    for (Future<?> other : others) {
      failure = firstOf(failure, waitFor(other));
    }
    if (failure instanceof Error error) {
      throw error;
    }
    if (failure != null) {
      throw (RuntimeException) failure;
    }
  }

  private static Throwable firstOf(Throwable first, Throwable second) {
    if (first != null && second != null && first != second) {
      first.addSuppressed(second);
    }
    return first != null ? first : second;
  }

  private static Throwable waitFor(Future<?> other) {
    boolean interrupted = false;
    try {
      while (true) {
        try {
          other.get();
          return null;
        } catch (InterruptedException e) {
          interrupted = true;
        } catch (ExecutionException e) {
          return e.getCause();
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  @Override
  public void close() {
    pool.shutdown();
  }
}
