package io.sparsefill.job.run;

import io.sparsefill.job.CostModel;
import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.JavaBytes;
import io.sparsefill.job.LogitsRow;
import io.sparsefill.job.SharedTokenizer;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.job.output.TableWriters;
import io.sparsefill.job.output.TaskOutput;
import io.sparsefill.job.output.WriterOptions;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.Engine;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.KvSink;
import io.sparsefill.udf.PrefillResult;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.util.SerializableConfiguration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One bin of documents through the engine into staged Parquet files: the one class that knows both
 * Spark's partitions and the device. It gives the driver one serialised {@link TaskOutput}, or
 * nothing for an empty partition.
 *
 * <p>A document that fails gets its error row and the next one begins; KV rows that it had written
 * stay in the file, but no reader sees them, because only a documents row with status ok or
 * truncated makes them visible. The task fails, and Spark tries it again, when the engine cannot
 * start, when the output cannot be written, and on any {@link Error}.
 */
final class PrefillPartition implements FlatMapFunction<Iterator<TokenizedDocument>, byte[]> {
  private static final long serialVersionUID = 1L;
  private static final Logger log = LoggerFactory.getLogger(PrefillPartition.class);

  private final EngineOptions engineOptions;
  private final BosPolicy bos;
  private final LogitsRows logitsRows;
  private final WriterOptions writerOptions;
  private final SerializableConfiguration hadoop;
  private final String fingerprint;
  private final CostModel cost;
  private final Progress.Counters counters;

  /**
   * For the bins of one wave.
   *
   * @param engineOptions the model and how it runs
   * @param bos names, with the model, the tokenizer that this JVM already has open
   * @param logitsRows what the logits table gets
   * @param writerOptions where the tables go
   * @param hadoop configuration of the output's file system
   * @param fingerprint of the run's identity
   * @param cost what a document is predicted to take, for progress
   * @param counters progress
   */
  PrefillPartition(
      EngineOptions engineOptions,
      BosPolicy bos,
      LogitsRows logitsRows,
      WriterOptions writerOptions,
      SerializableConfiguration hadoop,
      String fingerprint,
      CostModel cost,
      Progress.Counters counters) {
    this.engineOptions = engineOptions;
    this.bos = bos;
    this.logitsRows = logitsRows;
    this.writerOptions = writerOptions;
    this.hadoop = hadoop;
    this.fingerprint = fingerprint;
    this.cost = cost;
    this.counters = counters;
  }

  @Override
  public Iterator<byte[]> call(Iterator<TokenizedDocument> documents) throws Exception {
    if (!documents.hasNext()) {
      return Collections.emptyIterator();
    }
    TaskContext task = TaskContext.get();
    try (Engine engine = Engine.open(engineOptions);
        SharedTokenizer tokenizer = SharedTokenizer.acquire(engineOptions.model(), bos);
        TableWriters writers =
            TableWriters.open(
                hadoop.value(), writerOptions, task.partitionId(), task.taskAttemptId())) {
      List<DocumentRow> rows = new ArrayList<>();
      while (documents.hasNext()) {
        task.killTaskIfInterrupted();
        TokenizedDocument document = documents.next();
        rows.add(prefill(document, engine, tokenizer.tokenizer(), writers, task));
        counters.add(document.tokenIds().length, cost.seconds(document.tokenIds().length));
      }
      return List.of(JavaBytes.of(writers.finish(rows))).iterator();
    }
  }

  private DocumentRow prefill(
      TokenizedDocument document,
      Engine engine,
      TextTokenizer tokenizer,
      TableWriters writers,
      TaskContext task)
      throws IOException, InterruptedException {
    try {
      int[] tokens = document.tokenIds();
      PrefillResult result = engine.prefill(tokens, kvSink(document.docId(), writers));
      List<LogitsRow> logits = logitsRows.of(document.docId(), result, tokenizer::token);
      write(document, logits, writers);
      return row(document, document.status(), document.error(), result, engine);
    } catch (InterruptedException e) {
      throw e;
    } catch (Exception e) {
      task.killTaskIfInterrupted(); // a killed task's failure says nothing about its document
      OutputLost.rethrowFrom(e);
      log.warn("Document '{}' failed", document.docId(), e);
      String message = e.getMessage() == null ? e.toString() : e.getMessage();
      return row(document, DocumentStatus.FAILED, message, null, engine);
    }
  }

  private KvSink kvSink(String docId, TableWriters writers) {
    if (!engineOptions.emit().contains(Emit.KV)) {
      return null;
    }
    return block -> {
      try {
        writers.kv(docId, block);
      } catch (IOException e) {
        throw new OutputLost(e);
      }
    };
  }

  private void write(TokenizedDocument document, List<LogitsRow> logits, TableWriters writers) {
    try {
      writers.tokens(document.docId(), document.tokenIds(), engineOptions.blockTokens());
      for (LogitsRow row : logits) {
        writers.logits(row);
      }
    } catch (IOException e) {
      throw new OutputLost(e);
    }
  }

  private DocumentRow row(
      TokenizedDocument document,
      DocumentStatus status,
      String error,
      PrefillResult result,
      Engine engine) {
    return new DocumentRow(
        document.docId(),
        document.source(),
        document.contentSha256(),
        document.tokenIds().length,
        status,
        error,
        result == null ? null : result.attention(),
        result == null ? null : result.density(),
        result == null ? null : result.seconds(),
        engine.device(),
        fingerprint,
        writerOptions.runId());
  }

  /** The output could not be written: the task's failure, not the document's. */
  private static final class OutputLost extends RuntimeException {
    private static final long serialVersionUID = 1L;

    OutputLost(IOException failure) {
      super(failure);
    }

    /** Throws the failed write that is among an exception's causes, if there is one. */
    static void rethrowFrom(Throwable e) throws IOException {
      for (Throwable cause = e; cause != null; cause = cause.getCause()) {
        if (cause instanceof OutputLost lost) {
          throw (IOException) lost.getCause();
        }
      }
    }
  }
}
