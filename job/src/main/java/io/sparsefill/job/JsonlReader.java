package io.sparsefill.job;

import java.io.IOException;
import org.apache.hadoop.conf.Configuration;

/** Reads the documents of a {@link LineSplit}: one per line, lines of white space left out. */
final class JsonlReader implements DocumentReader {
  private final Configuration conf;
  private final DocumentColumns columns;
  private final LineSplit split;
  private Lines lines;
  private boolean ended;

  JsonlReader(Configuration conf, DocumentColumns columns, LineSplit split) {
    this.conf = conf;
    this.columns = columns;
    this.split = split;
  }

  @Override
  public Document next() {
    while (!ended) {
      byte[] line;
      try {
        if (lines == null) {
          lines = Lines.open(conf, split);
        }
        line = lines.next();
      } catch (UnreadableDocumentException e) {
        return error(e, lines.lineOffset());
      } catch (IOException | RuntimeException e) {
        ended = true;
        return error(
            new UnreadableDocumentException(
                "nothing from here on can be read: "
                    + UnreadableDocumentException.of(e).getMessage()),
            lines == null ? split.start() : lines.lineOffset());
      }
      if (line == null) {
        ended = true;
      } else if (!isBlank(line)) {
        long offset = lines.lineOffset();
        return JsonLine.read(columns, line, id(offset), source(offset));
      }
    }
    return null;
  }

  @Override
  public void close() throws IOException {
    if (lines != null) {
      lines.close();
    }
  }

  private Document error(UnreadableDocumentException e, long offset) {
    return e.toDocument(id(offset), source(offset), ContentHash.OF_NOTHING);
  }

  private String id(long offset) {
    return split.file().name() + "#" + offset;
  }

  private String source(long offset) {
    return "%s, byte %d".formatted(split.file().path(), offset);
  }

  private static boolean isBlank(byte[] line) {
    for (byte b : line) {
      if (b != ' ' && b != '\t' && b != '\r') {
        return false;
      }
    }
    return true;
  }
}
