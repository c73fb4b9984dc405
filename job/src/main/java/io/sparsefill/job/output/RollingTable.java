package io.sparsefill.job.output;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;

/**
 * The files that one task attempt writes of one table: opened with the first row, a new one every
 * 512 MiB or so.
 */
final class RollingTable<R> {
  /** A file that is this long is closed. */
  static final long FILE_BYTES = 512L << 20;

  private final Storage storage;
  private final String attempt;
  private final Table table;
  private final RowWriter<R> rowWriter;
  private final CompressionCodecName codec;
  private final Map<String, String> metadata;
  private final long fileBytes;
  private final List<StoredFile> closed = new ArrayList<>();
  private TableFile<R> open;

  RollingTable(
      Storage storage,
      String attempt,
      Table table,
      RowWriter<R> rowWriter,
      CompressionCodecName codec,
      Map<String, String> metadata,
      long fileBytes) {
    this.storage = storage;
    this.attempt = attempt;
    this.table = table;
    this.rowWriter = rowWriter;
    this.codec = codec;
    this.metadata = metadata;
    this.fileBytes = fileBytes;
  }

  void write(R row) throws IOException {
    if (open == null) {
      String path = FileNames.stagedFile(attempt, table, closed.size());
      open = new TableFile<>(storage, path, table, rowWriter, codec, metadata);
    }
    open.write(row);
    if (open.bytes() >= fileBytes) {
      roll();
    }
  }

  /** Closes what is open and names all files. */
  List<StoredFile> finish() throws IOException {
    if (open != null) {
      roll();
    }
    return List.copyOf(closed);
  }

  /** Closes what is open without keeping it; returns what went wrong in that. */
  Optional<Exception> abandon() {
    if (open == null) {
      return Optional.empty();
    }
    TableFile<R> file = open;
    open = null;
    try {
      file.close();
      return Optional.empty();
    } catch (IOException | RuntimeException e) {
      return Optional.of(e);
    }
  }

  private void roll() throws IOException {
    TableFile<R> file = open;
    open = null;
    file.close();
    closed.add(file.stored(storage));
  }
}
