package io.sparsefill.job.run;

import io.sparsefill.job.CostModel;
import io.sparsefill.job.JavaBytes;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.job.output.TableWriters;
import io.sparsefill.job.output.TaskOutput;
import io.sparsefill.job.output.WriterOptions;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.EngineLease;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.ExecutorEngines;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.SharedTokenizer;
import io.sparsefill.udf.text.TextTokenizer;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.util.SerializableConfiguration;

/**
 * One bin of documents through the engine into staged Parquet files: the one class that knows both
 * Spark's partitions and the device. It gives the driver one serialised {@link FilledBin}, or
 * nothing for an empty partition.
 *
 * <p>A document that fails gets its error row and the next one begins; KV rows that it had written
 * stay in the file, but no reader sees them, because only a documents row with status ok or
 * truncated makes them visible. The task fails, and Spark tries it again, when the engine cannot
 * start or has lost its GPU, when the output cannot be written, and on any {@link Error}.
 */
final class PrefillPartition implements FlatMapFunction<Iterator<TokenizedDocument>, byte[]> {
  private static final long serialVersionUID = 1L;

  private final EngineOptions engineOptions;
  private final BosPolicy bos;
  private final LogitsRows logitsRows;
  private final Answering answering;
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
   * @param answering what the answers table gets, or null
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
      Answering answering,
      WriterOptions writerOptions,
      SerializableConfiguration hadoop,
      String fingerprint,
      CostModel cost,
      Progress.Counters counters) {
    this.engineOptions = engineOptions;
    this.bos = bos;
    this.logitsRows = logitsRows;
    this.answering = answering;
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
    long started = System.nanoTime();
    TaskContext context = TaskContext.get();
    try (EngineLease engine = ExecutorEngines.ofThisJvm().lease(engineOptions);
        SharedTokenizer tokenizer = SharedTokenizer.acquire(engineOptions.model(), bos);
        TableWriters writers =
            TableWriters.open(
                hadoop.value(), writerOptions, context.partitionId(), context.taskAttemptId())) {
      DocumentPipeline pipeline =
          new DocumentPipeline(
              prefiller(engine, tokenizer.tokenizer()),
              labels(engine.device()),
              logitsRows,
              tokenizer.tokenizer()::token,
              writers,
              new Counted(context));
      TaskOutput output = writers.finish(pipeline.run(documents));
      double taskSeconds = (System.nanoTime() - started) / 1e9;
      return List.of(
              JavaBytes.of(
                  new FilledBin(output, pipeline.time(taskSeconds, engine.queuedSeconds()))))
          .iterator();
    }
  }

  private DocumentPipeline.Prefiller prefiller(EngineLease engine, TextTokenizer tokenizer) {
    return answering == null
        ? (document, sink) ->
            new DocumentPipeline.Prefilled(engine.prefill(document.tokenIds(), sink), null)
        : answering.by(engine, tokenizer);
  }

  private DocumentPipeline.Labels labels(String device) {
    return new DocumentPipeline.Labels(
        device,
        fingerprint,
        writerOptions.runId(),
        engineOptions.emit().contains(Emit.KV),
        engineOptions.blockTokens());
  }

  /** Spark's side of the task. */
  private final class Counted implements DocumentPipeline.Task {
    private final TaskContext context;

    Counted(TaskContext context) {
      this.context = context;
    }

    @Override
    public void endIfKilled() {
      context.killTaskIfInterrupted();
    }

    @Override
    public void count(int tokens) {
      counters.add(tokens, cost.seconds(tokens));
    }
  }
}
