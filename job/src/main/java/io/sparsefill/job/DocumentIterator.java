package io.sparsefill.job;

import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.Iterator;
import java.util.NoSuchElementException;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;

/**
 * The documents of many pieces of input, one piece open at a time. A piece that is open when the
 * task ends (because it failed, or because only the first documents were wanted) is closed then.
 */
final class DocumentIterator<P> implements Iterator<Document> {
  private final Configuration conf;
  private final Iterator<P> pieces;
  private final Open<P> open;
  private DocumentReader reader;
  private Document next;

  /** How a piece is opened; travels to the tasks. */
  @FunctionalInterface
  interface Open<P> extends Serializable {
    DocumentReader open(Configuration conf, P piece);
  }

  DocumentIterator(Configuration conf, Iterator<P> pieces, Open<P> open) {
    this.conf = conf;
    this.pieces = pieces;
    this.open = open;
    TaskContext.get().addTaskCompletionListener((TaskCompletionListener) task -> close());
  }

  @Override
  public boolean hasNext() {
    while (next == null) {
      if (reader == null) {
        if (!pieces.hasNext()) {
          return false;
        }
        reader = open.open(conf, pieces.next());
      }
      next = reader.next();
      if (next == null) {
        close();
      }
    }
    return true;
  }

  @Override
  public Document next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    Document document = next;
    next = null;
    return document;
  }

  private void close() {
    if (reader != null) {
      DocumentReader closing = reader;
      reader = null;
      try {
        closing.close();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
