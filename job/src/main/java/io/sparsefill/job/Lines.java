package io.sparsefill.job;

import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;

/**
 * Reads the lines of a {@link LineSplit} as raw bytes. A line ends at LF or at the end of the file.
 * Spark's and Hadoop's line readers are not used because they also end lines at a lone CR, replace
 * invalid UTF-8, and drop lines that are too long without an error.
 */
final class Lines implements Closeable {
  /** The longest line: a text of {@link DocumentText#MAX_BYTES} and what JSON puts around it. */
  private static final int MAX_LINE_BYTES = DocumentText.MAX_BYTES + (64 << 20);

  private static final int BUFFER_BYTES = 64 << 10;

  private final InputStream in;
  private final long end;
  private final byte[] buffer = new byte[BUFFER_BYTES];
  private int from;
  private int to;
  private long offset;
  private long lineOffset;

  private Lines(InputStream in, long offset, long end) {
    this.in = in;
    this.offset = offset;
    this.end = end;
  }

  /** Opens a split and goes to the beginning of its first line. */
  static Lines open(Configuration conf, LineSplit split) throws IOException {
    if (split.start() == 0) {
      return new Lines(split.file().open(conf), 0, split.end());
    }
    // From the byte before: if that is an LF, a line begins exactly at start and is ours.
    FSDataInputStream in = split.file().openStored(conf);
    Lines lines = new Lines(in, split.start() - 1, split.end());
    try {
      in.seek(split.start() - 1);
      lines.skipLine();
      return lines;
    } catch (IOException | RuntimeException e) {
      try (lines) {
        throw e;
      }
    }
  }

  /** Byte offset in the file of the line that {@link #next} gave last, or failed to give. */
  long lineOffset() {
    return lineOffset;
  }

  /**
   * The next line without its LF, or null after the last line of the split.
   *
   * @throws UnreadableDocumentException if the line is too long; the lines after it can be read
   * @throws IOException if nothing more can be read
   */
  byte[] next() throws IOException, UnreadableDocumentException {
    lineOffset = offset;
    if (offset >= end || (from == to && !fill())) {
      return null;
    }
    int lineEnd = indexOfLf();
    if (lineEnd < to) {
      byte[] line = Arrays.copyOfRange(buffer, from, lineEnd);
      advance(line.length + 1);
      return line;
    }
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    do {
      int more = indexOfLf() - from;
      if (line.size() > MAX_LINE_BYTES - more) {
        skipLine();
        throw new UnreadableDocumentException(
            "the line has more than %d bytes; split it".formatted(MAX_LINE_BYTES));
      }
      line.write(buffer, from, more);
      advance(more);
      if (from < to) {
        advance(1);
        break;
      }
    } while (fill());
    return line.toByteArray();
  }

  @Override
  public void close() throws IOException {
    in.close();
  }

  private void skipLine() throws IOException {
    do {
      advance(indexOfLf() - from);
      if (from < to) {
        advance(1);
        return;
      }
    } while (fill());
  }

  private int indexOfLf() {
    int i = from;
    while (i < to && buffer[i] != '\n') {
      i++;
    }
    return i;
  }

  private void advance(int bytes) {
    from += bytes;
    offset += bytes;
  }

  /** Refills the used-up buffer; false at the end of the file. */
  private boolean fill() throws IOException {
    int read = in.read(buffer, 0, buffer.length);
    from = 0;
    to = Math.max(0, read);
    if (read == 0) {
      throw new EOFException("the stream gave no bytes before its end");
    }
    return read > 0;
  }
}
