package io.sparsefill.job.output;

import io.sparsefill.job.AnswerRow;
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
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.ToIntFunction;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes the rows of one task attempt into staged Parquet files. Nothing is visible before the
 * driver commits what {@link #finish} returns; closing without it removes the files.
 *
 * <p>The kv table is written in lanes, each with an open file of its own, so that as many threads
 * encode at a time; every file has its rows in the order in which they came: by document, layer and
 * block. The other tables have one open file each. In memory are, for each lane and each of the
 * other tables, at most a row group ({@link TableFile}) and the row that is being encoded.
 *
 * <p>Rows of a document that fails half-way stay in the files. They are invisible, because its
 * documents row says failed. A failure of writing is another matter: it ends the attempt, since
 * every later call, {@link #finish} included, throws, whichever lane it was in; Spark then tries
 * the task again.
 *
 * <p>Calls may come from several threads; those of one lane wait for each other.
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
  private final Map<String, String> metadata;
  private final long fileBytes;
  private final long startedMillis = System.currentTimeMillis();
  private final List<RollingTable<KvRow>> kv = new ArrayList<>();
  private final RollingTable<TokensRow> tokens;
  private final RollingTable<LogitsRow> logits;
  private final RollingTable<AnswerRow> answers;
  private final AtomicReference<Throwable> broken = new AtomicReference<>();
  private volatile boolean finished;
  private volatile boolean closed;

  private TableWriters(
      Storage storage, WriterOptions options, int partition, long attempt, long fileBytes) {
    this.storage = storage;
    this.options = options;
    this.partition = partition;
    this.attemptFolder =
        FileNames.stagedAttempt(options.runId(), options.wave(), partition, attempt);
    this.metadata = ManifestStore.metadata(options.identityJson(), options.runId());
    this.fileBytes = fileBytes;
    CompressionCodecName zstd = CompressionCodecName.ZSTD;
    AtomicInteger files = new AtomicInteger();
    for (int lane = 0; lane < options.lanes(); lane++) {
      kv.add(
          table(
              Table.KV,
              RowWriter.kv(options.kvCompression()),
              options.kvCompression().codec(),
              files,
              row -> TableFile.pageRows(row.block().bytes())));
    }
    this.tokens =
        table(
            Table.TOKENS, RowWriter::tokens, zstd, new AtomicInteger(), row -> TableFile.PAGE_ROWS);
    this.logits =
        table(
            Table.LOGITS,
            RowWriter.logits(options.runId()),
            zstd,
            new AtomicInteger(),
            row -> TableFile.PAGE_ROWS);
    this.answers =
        table(
            Table.ANSWERS,
            RowWriter.answers(options.runId()),
            zstd,
            new AtomicInteger(),
            row -> TableFile.PAGE_ROWS);
  }

  private <R> RollingTable<R> table(
      Table table,
      RowWriter<R> rows,
      CompressionCodecName codec,
      AtomicInteger files,
      ToIntFunction<R> pageRows) {
    return new RollingTable<>(
        storage,
        attemptFolder,
        table,
        rows,
        codec,
        metadata,
        fileBytes,
        files::getAndIncrement,
        pageRows);
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

  /** How many lanes the kv table has, {@link WriterOptions#lanes}. */
  public int lanes() {
    return kv.size();
  }

  /**
   * The lane of a block. The blocks of a layer go around all lanes, and so do the layers of a
   * document that has only one block.
   */
  public int lane(KvBlock block) {
    return (block.layer() + block.block()) % kv.size();
  }

  /**
   * Writes one KV block to its {@link #lane}; the blocks of a lane come document by document, layer
   * by layer, inside a layer block by block.
   */
  public void kv(String docId, KvBlock block) throws IOException {
    int bytes = block.key().length;
    if (bytes != block.value().length || bytes > MAX_CELL_BYTES) {
      throw new IllegalArgumentException(
          String.format(
              "Cannot write layer %d, block %d of '%s': key has %,d bytes, value %,d; both must be"
                  + " equal and at most %,d; use a smaller --block-tokens",
              block.layer(), block.block(), docId, bytes, block.value().length, MAX_CELL_BYTES));
    }
    int keyScales = block.keyScale() == null ? 0 : block.keyScale().length;
    int valueScales = block.valueScale() == null ? 0 : block.valueScale().length;
    if (keyScales != valueScales || block.dtype().scaled() != (keyScales > 0)) {
      throw new IllegalArgumentException(
          String.format(
              "Cannot write layer %d, block %d of '%s' as %s: its key has %,d bytes of scales, its"
                  + " value %,d",
              block.layer(), block.block(), docId, block.dtype().label(), keyScales, valueScales));
    }
    guard(() -> kv.get(lane(block)).write(new KvRow(docId, block, options.runId())));
  }

  /**
   * Writes a document's token ids, one row per block, with the hash of all tokens up to the block's
   * end.
   *
   * @param blockTokens tokens of a block; the last may be shorter
   */
  public void tokens(String docId, int[] ids, int blockTokens) throws IOException {
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
  public void logits(LogitsRow row) throws IOException {
    if (row.logits() != null && row.logits().length > MAX_CELL_BYTES) {
      throw new IllegalArgumentException(
          String.format(
              "Cannot write logits of '%s': %,d bytes in a cell, at most %,d",
              row.docId(), row.logits().length, MAX_CELL_BYTES));
    }
    guard(() -> logits.write(row));
  }

  /** Writes what was said to a document's question. */
  public void answer(AnswerRow row) throws IOException {
    guard(() -> answers.write(row));
  }

  /**
   * Closes all files, complete, and names them for the driver.
   *
   * @param documents the rows of the task's documents
   * @throws IOException when the files cannot be ended, or a write failed before
   */
  public TaskOutput finish(List<DocumentRow> documents) throws IOException {
    List<StoredFile> files = new ArrayList<>();
    guard(
        () -> {
          for (RollingTable<KvRow> lane : kv) {
            files.addAll(lane.finish());
          }
          files.addAll(tokens.finish());
          files.addAll(logits.finish());
          files.addAll(answers.finish());
        });
    throwIfBroken(); // by a write that another thread had not ended
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
      List<RollingTable<?>> tables = new ArrayList<>(kv);
      tables.add(tokens);
      tables.add(logits);
      tables.add(answers);
      for (RollingTable<?> table : tables) {
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
    throwIfBroken();
    try {
      write.run();
    } catch (IOException | RuntimeException | Error e) {
      broken.compareAndSet(null, e);
      throw e;
    }
  }

  private void throwIfBroken() throws IOException {
    Throwable earlier = broken.get();
    if (earlier != null) {
      throw new IOException(
          "Cannot write to "
              + storage.path(attemptFolder)
              + ": writing failed before ("
              + earlier.getMessage()
              + "); this attempt is lost and will be tried again",
          earlier);
    }
  }

  @FunctionalInterface
  private interface Write {
    void run() throws IOException;
  }
}
