package io.sparsefill.job.output;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntSupplier;
import java.util.function.ToIntFunction;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;

/**
 * The files that one task attempt writes of one table, or of a lane of it: opened with the first
 * row, a new one every 512 MiB or so. Threads may share it; they write one after the other.
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
  private final IntSupplier numbers;
  private final ToIntFunction<R> pageRows;
  private final List<StoredFile> closed = new ArrayList<>();
  private TableFile<R> open;
  private boolean ended;

  /**
   * No file yet.
   *
   * @param attempt staged folder of the attempt
   * @param fileBytes length at which a file is closed
   * @param numbers names the files: counts those of all lanes of the table
   * @param pageRows most rows of a page, by the first row of a file
   */
  RollingTable(
      Storage storage,
      String attempt,
      Table table,
      RowWriter<R> rowWriter,
      CompressionCodecName codec,
      Map<String, String> metadata,
      long fileBytes,
      IntSupplier numbers,
      ToIntFunction<R> pageRows) {
    this.storage = storage;
    this.attempt = attempt;
    this.table = table;
    this.rowWriter = rowWriter;
    this.codec = codec;
    this.metadata = metadata;
    this.fileBytes = fileBytes;
    this.numbers = numbers;
    this.pageRows = pageRows;
  }

  /**
   * Writes a row.
   *
   * @throws IllegalStateException after {@link #finish} or {@link #abandon}
   */
  synchronized void write(R row) throws IOException {
    if (ended) {
      throw new IllegalStateException(
          "Cannot write to " + attempt + "/" + table.folder() + ": it is closed");
    }
    if (open == null) {
      String path = FileNames.stagedFile(attempt, table, numbers.getAsInt());
      int most = pageRows.applyAsInt(row);
      open = new TableFile<>(storage, path, table, rowWriter, codec, metadata, most);
    }
    open.write(row);
    if (open.bytes() >= fileBytes) {
      roll();
    }
  }

  /** Closes what is open and names all files. */
  synchronized List<StoredFile> finish() throws IOException {
    ended = true;
    if (open != null) {
      roll();
    }
    return List.copyOf(closed);
  }

  /** Closes what is open without keeping it; returns what went wrong in that. */
  synchronized Optional<Exception> abandon() {
    ended = true;
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
