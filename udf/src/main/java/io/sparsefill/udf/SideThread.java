package io.sparsefill.udf;

import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Threads beside the one that runs a pre-fill, or a task of the job; closing waits for what they
 * still do.
 */
public final class SideThread implements AutoCloseable {
  private final ExecutorService threads;
  private final boolean interruptible;

  /**
   * Makes them; they start as work comes.
   *
   * @param count one, which then does its work in order, or more
   * @param interruptible whether an interrupt of the thread that closes ends their work
   */
  public SideThread(String name, int count, boolean interruptible) {
    this.interruptible = interruptible;
    AtomicInteger number = new AtomicInteger();
    threads =
        Executors.newFixedThreadPool(
            count,
            task -> {
              Thread thread =
                  new Thread(task, count == 1 ? name : name + "-" + number.incrementAndGet());
              thread.setDaemon(true);
              return thread;
            });
  }

  /** Gives them work that throws nothing. */
  public void execute(Runnable task) {
    threads.execute(task);
  }

  /** Gives them work whose result or failure is waited for. */
  public <T> Future<T> submit(Callable<T> task) {
    return threads.submit(task);
  }

  /** Interrupts what they do, and lets go what they have not begun. */
  public void interrupt() {
    threads.shutdownNow();
  }

  /** What another thread threw, to be thrown on as it was; an {@link Error} is thrown at once. */
  public static Exception thrown(Throwable cause) {
    if (cause instanceof Exception exception) {
      return exception;
    }
    throw (Error) cause;
  }

  /**
   * Waits until they have done everything. An interrupt of the calling thread meanwhile is kept,
   * and handed to them if that may end their work.
   */
  @Override
  public void close() {
    threads.shutdown();
    boolean interrupted = false;
    while (!threads.isTerminated()) {
      try {
        threads.awaitTermination(1, TimeUnit.HOURS);
      } catch (InterruptedException e) {
        interrupted = true;
        if (interruptible) {
          interrupt();
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
