package io.sparsefill.job;

import java.io.Closeable;
import java.io.IOException;

/** Reads the documents of one piece of input inside a task. */
interface DocumentReader extends Closeable {
  /**
   * The next document or error row, or null after the last one. What cannot be read is an error
   * row, never an exception.
   */
  Document next();

  @Override
  default void close() throws IOException {}
}
