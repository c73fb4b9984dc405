package io.sparsefill.job.output;

import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.LogitsRow;
import io.sparsefill.job.output.RowWriter.KvRow;
import io.sparsefill.job.output.RowWriter.TokensRow;
import io.sparsefill.udf.KvBlock;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes the rows of one task attempt into staged Parquet files, one open file per table, and holds
 * at most a row group of each. Nothing is visible before the driver commits what {@link #finish}
 * returns; closing without it removes the files.
 *
 * <p>Rows of a document that fails half-way stay in the files. They are invisible, because its
 * documents row says failed. A failure of writing is another matter: it ends the attempt, since
 * every later call, {@link #finish} included, throws; Spark then tries the task again.
 *
 * <p>Calls may come from several threads (the engine's for KV, the task's for the rest).
 */
public final class TableWriters implements AutoCloseable {
  /**
   * A cell beyond this is refused: readers copy cells several times, in arrays of at most 2 GiB.
   */
  static final int MAX_CELL_BYTES = 256 << 20;

  private static final Logger LOG = LoggerFactory.getLogger(TableWriters.class);

  private final Storage storage;
  private final WriterOptions options;
  private final int partition;
  private final String attemptFolder;
  private final long startedMillis = System.currentTimeMillis();
  private final RollingTable<KvRow> kv;
  private final RollingTable<TokensRow> tokens;
  private final RollingTable<LogitsRow> logits;
  private Throwable broken;
  private boolean finished;
  private boolean closed;

  private TableWriters(
      Storage storage, WriterOptions options, int partition, long attempt, long fileBytes) {
    this.storage = storage;
    this.options = options;
    this.partition = partition;
    this.attemptFolder =
        FileNames.stagedAttempt(options.runId(), options.wave(), partition, attempt);
    Map<String, String> metadata = ManifestStore.metadata(options.identityJson(), options.runId());
    CompressionCodecName kvCodec = options.kvCompression().codec();
    this.kv =
        new RollingTable<>(
            storage, attemptFolder, Table.KV, RowWriter::kv, kvCodec, metadata, fileBytes);
    this.tokens =
        new RollingTable<>(
            storage,
            attemptFolder,
            Table.TOKENS,
            RowWriter::tokens,
            CompressionCodecName.ZSTD,
            metadata,
            fileBytes);
    this.logits =
        new RollingTable<>(
            storage,
            attemptFolder,
            Table.LOGITS,
            RowWriter.logits(options.runId()),
            CompressionCodecName.ZSTD,
            metadata,
            fileBytes);
  }

  /**
   * Writers for one task attempt; files are made with the first row of a table.
   *
   * @param conf Hadoop configuration of the executor
   * @param options from the driver's {@link OutputFolder#writerOptions}
   * @param partition the task's partition
   * @param attempt {@code TaskContext.taskAttemptId()}, unique in the application
   */
  public static TableWriters open(
      Configuration conf, WriterOptions options, int partition, long attempt) throws IOException {
    return open(conf, options, partition, attempt, RollingTable.FILE_BYTES);
  }

  static TableWriters open(
      Configuration conf, WriterOptions options, int partition, long attempt, long fileBytes)
      throws IOException {
    return new TableWriters(
        new Storage(conf, options.output()), options, partition, attempt, fileBytes);
  }

  /**
   * Writes one KV block; a document's blocks come layer by layer, inside a layer block by block.
   */
  public synchronized void kv(String docId, KvBlock block) throws IOException {
    int bytes = block.key().length;
    if (bytes != block.value().length || bytes > MAX_CELL_BYTES) {
      throw new IllegalArgumentException(
          String.format(
              "Cannot write layer %d, block %d of '%s': key has %,d bytes, value %,d; both must be"
                  + " equal and at most %,d; use a smaller --block-tokens",
              block.layer(), block.block(), docId, bytes, block.value().length, MAX_CELL_BYTES));
    }
    guard(() -> kv.write(new KvRow(docId, block, options.runId())));
  }

  /**
   * Writes a document's token ids, one row per block, with the hash of all tokens up to the block's
   * end.
   *
   * @param blockTokens tokens of a block; the last may be shorter
   */
  public synchronized void tokens(String docId, int[] ids, int blockTokens) throws IOException {
    guard(
        () -> {
          PrefixHashes hashes = new PrefixHashes();
          for (int start = 0, block = 0; start < ids.length; start += blockTokens, block++) {
            int end = (int) Math.min(ids.length, (long) start + blockTokens);
            String hash = hashes.add(ids, start, end);
            tokens.write(
                new TokensRow(
                    docId,
                    block,
                    start,
                    Arrays.copyOfRange(ids, start, end),
                    hash,
                    options.runId()));
          }
        });
  }

  /** Writes one position's logits. */
  public synchronized void logits(LogitsRow row) throws IOException {
    if (row.logits() != null && row.logits().length > MAX_CELL_BYTES) {
      throw new IllegalArgumentException(
          String.format(
              "Cannot write logits of '%s': %,d bytes in a cell, at most %,d",
              row.docId(), row.logits().length, MAX_CELL_BYTES));
    }
    guard(() -> logits.write(row));
  }

  /**
   * Closes all files, complete, and names them for the driver.
   *
   * @param documents the rows of the task's documents
   * @throws IOException when the files cannot be ended, or a write failed before
   */
  public synchronized TaskOutput finish(List<DocumentRow> documents) throws IOException {
    List<StoredFile> files = new ArrayList<>();
    guard(
        () -> {
          files.addAll(kv.finish());
          files.addAll(tokens.finish());
          files.addAll(logits.finish());
        });
    finished = true;
    return new TaskOutput(partition, List.copyOf(files), List.copyOf(documents), startedMillis);
  }

  /** Ends the attempt; without {@link #finish} its files are removed. */
  @Override
  public synchronized void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    if (!finished) {
      for (RollingTable<?> table : List.of(kv, tokens, logits)) {
        table
            .abandon()
            .ifPresent(e -> LOG.warn("While abandoning {}: {}", attemptFolder, e.toString()));
      }
      storage.delete(attemptFolder);
    }
  }

  /** Runs a write; the first failure of all ends the attempt. */
  private void guard(Write write) throws IOException {
    if (finished || closed) {
      throw new IllegalStateException("Cannot write to " + attemptFolder + ": it is closed");
    }
    if (broken != null) {
      throw new IOException(
          "Cannot write to "
              + storage.path(attemptFolder)
              + ": writing failed before ("
              + broken.getMessage()
              + "); this attempt is lost and will be tried again",
          broken);
    }
    try {
      write.run();
    } catch (IOException | RuntimeException | Error e) {
      broken = e;
      throw e;
    }
  }

  @FunctionalInterface
  private interface Write {
    void run() throws IOException;
  }
}
