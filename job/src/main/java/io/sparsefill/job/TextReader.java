package io.sparsefill.job;

import java.io.IOException;
import java.io.InputStream;
import org.apache.hadoop.conf.Configuration;

/** Reads a file that is one document; the document's name is the file's. */
final class TextReader implements DocumentReader {
  private final Configuration conf;
  private final InputFile file;
  private boolean ended;

  TextReader(Configuration conf, InputFile file) {
    this.conf = conf;
    this.file = file;
  }

  @Override
  public Document next() {
    if (ended) {
      return null;
    }
    ended = true;
    byte[] bytes;
    try {
      bytes = bytes();
    } catch (IOException | RuntimeException | UnreadableDocumentException e) {
      return UnreadableDocumentException.of(e)
          .toDocument(file.name(), file.path(), ContentHash.OF_NOTHING);
    }
    try {
      DocumentText text = DocumentText.decode(bytes, 0, bytes.length);
      return DocumentColumns.ofText(file.name(), file.path(), text);
    } catch (UnreadableDocumentException e) {
      return e.toDocument(file.name(), file.path(), ContentHash.of(bytes, 0, bytes.length));
    }
  }

  private byte[] bytes() throws IOException, UnreadableDocumentException {
    if (file.length() > DocumentText.MAX_BYTES) {
      throw tooLong("%d bytes".formatted(file.length()));
    }
    try (InputStream in = file.open(conf)) {
      if (file.isCompressed(conf)) {
        byte[] bytes = in.readNBytes(DocumentText.MAX_BYTES + 1);
        if (bytes.length > DocumentText.MAX_BYTES) {
          throw tooLong("more than %d bytes".formatted(DocumentText.MAX_BYTES));
        }
        return bytes;
      }
      byte[] bytes = new byte[(int) file.length()];
      int read = in.readNBytes(bytes, 0, bytes.length);
      if (read < bytes.length || in.read() >= 0) {
        throw new UnreadableDocumentException(
            ("it had %d bytes when the input was listed and has %s now; do not write to "
                    + "the input during a run")
                .formatted(bytes.length, read < bytes.length ? "%d".formatted(read) : "more"));
      }
      return bytes;
    }
  }

  private static UnreadableDocumentException tooLong(String size) {
    return new UnreadableDocumentException(
        "it has %s, and a document may have %d at most; split it"
            .formatted(size, DocumentText.MAX_BYTES));
  }
}
