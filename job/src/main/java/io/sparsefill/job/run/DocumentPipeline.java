package io.sparsefill.job.run;

import io.sparsefill.job.AnswerRow;
import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.LogitsRow;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.job.output.TableWriters;
import io.sparsefill.udf.DeviceLost;
import io.sparsefill.udf.KvBlock;
import io.sparsefill.udf.KvSink;
import io.sparsefill.udf.PrefillResult;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Documents through one engine without a pause: while one is pre-filled, the next is read, and the
 * rows of the one before, and the layers of this one that have left, are written, the kv table by
 * as many threads as {@link TableWriters} has lanes. In memory are at most the document that is
 * read ahead, the one in the engine, {@value #WAITING_BYTES} bytes of rows, and for each lane a row
 * group and a row; a slow disk holds the engine back.
 *
 * <p>A document's other rows are made when all its kv rows are written.
 *
 * <p>A document that fails, in the engine or while its rows are made, gets its error row. A failed
 * write ends everything, and so does a lost GPU, which is no document's fault.
 */
final class DocumentPipeline {
  /** Rows that may wait for their writing. */
  static final int WAITING_BYTES = 64 << 20;

  private static final Logger log = LoggerFactory.getLogger(DocumentPipeline.class);

  private final Prefiller engine;
  private final Labels labels;
  private final LogitsRows logitsRows;
  private final IntFunction<String> tokenText;
  private final TableWriters writers;
  private final Task task;
  private final List<DocumentRow> rows = new ArrayList<>(); // of the thread behind all lanes
  private long prefillNanos;
  private double heldBackSeconds;

  /** What pre-fills: an engine. */
  @FunctionalInterface
  interface Prefiller {
    Prefilled prefill(TokenizedDocument document, KvSink sink) throws Exception;
  }

  /**
   * What came out of a pre-fill.
   *
   * @param answer to the document's question, or null when none was asked
   */
  record Prefilled(PrefillResult result, AnswerRow answer) {}

  /** The task around this. */
  interface Task {
    /** Throws if the task is to end. */
    void endIfKilled();

    /** Counts a document whose rows are written. */
    void count(int tokens);
  }

  /**
   * What all rows of a task carry.
   *
   * @param blockTokens tokens of a row of the tokens table
   */
  record Labels(String device, String fingerprint, String runId, boolean withKv, int blockTokens) {}

  DocumentPipeline(
      Prefiller engine,
      Labels labels,
      LogitsRows logitsRows,
      IntFunction<String> tokenText,
      TableWriters writers,
      Task task) {
    this.engine = engine;
    this.labels = labels;
    this.logitsRows = logitsRows;
    this.tokenText = tokenText;
    this.writers = writers;
    this.task = task;
  }

  /**
   * Pre-fills all documents.
   *
   * @return their rows, in the same order
   * @throws IOException if the output cannot be written
   * @throws Exception what reading the documents throws
   */
  List<DocumentRow> run(Iterator<TokenizedDocument> documents) throws Exception {
    try (WriteBehind writing = new WriteBehind(WAITING_BYTES, writers.lanes());
        ReadAhead<TokenizedDocument> reading = new ReadAhead<>(documents)) {
      for (Optional<TokenizedDocument> next = reading.next();
          next.isPresent();
          next = reading.next()) {
        task.endIfKilled();
        prefill(next.get(), writing);
      }
      heldBackSeconds = writing.waitedSeconds();
      writing.await();
      return rows;
    }
  }

  /**
   * How the time went, once all documents are through.
   *
   * @param taskSeconds of the whole task
   * @param queuedSeconds in which pre-fills waited for other tasks' documents
   */
  EngineTime time(double taskSeconds, double queuedSeconds) {
    return new EngineTime(prefillNanos / 1e9 - queuedSeconds, heldBackSeconds, taskSeconds);
  }

  private void prefill(TokenizedDocument document, WriteBehind writing)
      throws IOException, InterruptedException {
    Rows made = new Rows(document);
    try {
      Prefilled result;
      long start = System.nanoTime();
      try {
        result = engine.prefill(document, labels.withKv() ? made.kvSink(writing) : null);
      } finally {
        prefillNanos += System.nanoTime() - start;
      }
      writing.putBehindAll(bytes(document, result.result()), () -> made.finish(result));
    } catch (InterruptedException | DeviceLost e) {
      throw e;
    } catch (Exception e) {
      task.endIfKilled(); // a killed task's failure says nothing about its document
      writing.rethrowFailure(); // nor does a lost output's
      writing.putBehindAll(0, () -> made.fail(e));
    }
  }

  /** What a document holds in memory until its rows are written. */
  private static long bytes(TokenizedDocument document, PrefillResult result) {
    long floats = result.tokenNll() == null ? 0 : result.tokenNll().length;
    if (result.lastLogits() != null) {
      for (float[] logits : result.lastLogits()) {
        floats += logits.length;
      }
    }
    return Float.BYTES * floats + (long) Integer.BYTES * document.tokenIds().length;
  }

  /** The rows of one document: {@link #kv} in the lanes, the others behind all of them. */
  private final class Rows {
    private final TokenizedDocument document;
    private final AtomicReference<RuntimeException> failure = new AtomicReference<>();

    Rows(TokenizedDocument document) {
      this.document = document;
    }

    KvSink kvSink(WriteBehind writing) {
      return block -> {
        throwFailure();
        long bytes = (long) block.key().length + block.value().length;
        writing.put(writers.lane(block), bytes, () -> kv(block));
      };
    }

    private void kv(KvBlock block) throws IOException {
      try {
        if (failure.get() == null) {
          writers.kv(document.docId(), block);
        }
      } catch (RuntimeException e) { // such as of a cell that is too large
        failure.compareAndSet(null, e);
      }
    }

    private void throwFailure() {
      RuntimeException first = failure.get();
      if (first != null) {
        throw first;
      }
    }

    void finish(Prefilled done) throws IOException {
      PrefillResult result = done.result();
      try {
        throwFailure();
        List<LogitsRow> logits = logitsRows.of(document.docId(), result, tokenText);
        writers.tokens(document.docId(), document.tokenIds(), labels.blockTokens());
        for (LogitsRow row : logits) {
          writers.logits(row);
        }
        if (done.answer() != null) {
          writers.answer(done.answer());
        }
        add(document.status(), document.error(), result);
      } catch (RuntimeException e) {
        fail(e);
      }
    }

    void fail(Exception e) {
      log.warn("Document '{}' failed", document.docId(), e);
      add(DocumentStatus.FAILED, e.getMessage() == null ? e.toString() : e.getMessage(), null);
    }

    private void add(DocumentStatus status, String error, PrefillResult result) {
      rows.add(
          new DocumentRow(
              document.docId(),
              document.source(),
              document.contentSha256(),
              document.tokenIds().length,
              status,
              error,
              result == null ? null : result.attention(),
              result == null ? null : result.density(),
              result == null ? null : result.seconds(),
              labels.device(),
              labels.fingerprint(),
              labels.runId()));
      task.count(document.tokenIds().length);
    }
  }
}
