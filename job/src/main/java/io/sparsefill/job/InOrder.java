package io.sparsefill.job;

import io.sparsefill.udf.SideThread;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.function.Function;
import java.util.function.ToLongFunction;

/**
 * Applies a function to the elements of an iterator on several threads, and gives the results in
 * the elements' order. The iterator itself is used by the caller's thread only. What is under way
 * is bounded by the number of threads and by a weight.
 */
final class InOrder<A, B> implements Iterator<B>, AutoCloseable {
  private final Iterator<A> source;
  private final Function<A, B> function;
  private final ToLongFunction<A> weight;
  private final long mostWeight;
  private final int threads;
  private final SideThread pool;
  private final Deque<UnderWay<B>> underWay = new ArrayDeque<>();
  private long weightUnderWay;

  private record UnderWay<B>(Future<B> result, long weight) {}

  /**
   * Starts the threads, not yet the work.
   *
   * @param weight of an element, such as its bytes
   * @param mostWeight of all elements under way; one heavier element goes alone
   */
  InOrder(
      Iterator<A> source,
      Function<A, B> function,
      int threads,
      ToLongFunction<A> weight,
      long mostWeight) {
    this.source = source;
    this.function = function;
    this.threads = threads;
    this.weight = weight;
    this.mostWeight = mostWeight;
    this.pool = new SideThread("sparsefill-tokenize", threads, true);
  }

  @Override
  public boolean hasNext() {
    boolean more = !underWay.isEmpty() || source.hasNext();
    if (!more) {
      pool.close(); // a task may go through many of these before it ends
    }
    return more;
  }

  /** Throws what the function threw for this element. */
  @Override
  public B next() {
    fill();
    if (underWay.isEmpty()) {
      throw new NoSuchElementException();
    }
    UnderWay<B> first = underWay.remove();
    weightUnderWay -= first.weight();
    fill(); // the threads go on while the caller waits for this result and uses it
    return await(first.result());
  }

  private void fill() {
    while (underWay.size() < threads
        && (underWay.isEmpty() || weightUnderWay < mostWeight)
        && source.hasNext()) {
      A element = source.next();
      long heavy = weight.applyAsLong(element);
      weightUnderWay += heavy;
      underWay.add(new UnderWay<>(pool.submit(() -> function.apply(element)), heavy));
    }
  }

  private static <B> B await(Future<B> result) {
    try {
      return result.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw (Error) e.getCause(); // a Function throws nothing else
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("Cannot wait for a document's tokens: interrupted", e);
    }
  }

  /** Ends the threads; the function does not run any more when this returns. */
  @Override
  public void close() {
    pool.interrupt();
    pool.close();
  }
}
