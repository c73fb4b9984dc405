package io.sparsefill.job.run;

import io.sparsefill.udf.SideThread;
import java.util.Iterator;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

/**
 * The elements of an iterator, each fetched by a thread of its own while the one before it is in
 * use: one element is held ahead, never more. What the iterator throws is thrown where its element
 * would have come.
 */
final class ReadAhead<T> implements AutoCloseable {
  private final Iterator<T> source;
  private final SideThread thread = new SideThread("sparsefill-read", 1, true);
  private Future<Optional<T>> ahead;

  /** Begins to fetch the first element. */
  ReadAhead(Iterator<T> source) {
    this.source = source;
    fetch();
  }

  /**
   * Waits for the next element and begins to fetch the one after it.
   *
   * @return empty at the end
   * @throws Exception what the iterator threw for this element
   */
  Optional<T> next() throws Exception {
    Optional<T> next;
    try {
      next = ahead.get();
    } catch (ExecutionException e) {
      throw SideThread.thrown(e.getCause());
    }
    if (next.isPresent()) {
      fetch();
    }
    return next;
  }

  private void fetch() {
    ahead = thread.submit(() -> source.hasNext() ? Optional.of(source.next()) : Optional.empty());
  }

  /** Ends the thread; the iterator is not used any more when this returns. */
  @Override
  public void close() {
    thread.interrupt();
    thread.close();
  }
}
