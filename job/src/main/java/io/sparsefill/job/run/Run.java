package io.sparsefill.job.run;

import io.sparsefill.job.Document;
import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentSummary;
import io.sparsefill.job.Documents;
import io.sparsefill.job.PlannedWave;
import io.sparsefill.job.Schedule;
import io.sparsefill.job.TokenizedCorpus;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.job.Tokenizing;
import io.sparsefill.job.output.Claim;
import io.sparsefill.job.output.Manifest;
import io.sparsefill.job.output.OutputFolder;
import io.sparsefill.job.output.OutputPreview;
import io.sparsefill.job.output.Retention;
import io.sparsefill.job.output.RunRecord;
import io.sparsefill.job.output.Throughput;
import io.sparsefill.kernels.MemoryPlan;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.udf.BackendChoice;
import io.sparsefill.udf.Engine;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletionException;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.util.SerializableConfiguration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A run from its options to its summary. {@link #execute} is the walk of all documents: check the
 * model, open the output, then read and tokenise what is not done, and wave by wave pre-fill and
 * commit it ({@link Waves}).
 */
public final class Run {
  private static final Logger log = LoggerFactory.getLogger(Run.class);

  private final SparkSession spark;
  private final RunOptions options;
  private final CheckedModel model;
  private final OutputFolder output;
  private final TokenizedCorpus corpus;
  private final Tally tally;

  private Run(
      SparkSession spark,
      RunOptions options,
      CheckedModel model,
      OutputFolder output,
      TokenizedCorpus corpus) {
    this.spark = spark;
    this.options = options;
    this.model = model;
    this.output = output;
    this.corpus = corpus;
    Prediction prediction = prediction(spark, options, model, output.manifest().runs());
    log.info("Seconds of a document are {}", prediction.basis());
    this.tally = new Tally(options.limits().maxErrorRate(), prediction.cost());
  }

  /** The model; a run's numbers must not depend on the order of its documents. */
  private static CheckedModel checkedModel(RunOptions given) {
    if (AttentionPlan.keepsLines(given.compute().attention())) {
      throw new UsageException(
          "Cannot run --attention %s: its lines are those of the first document that an engine sees, and which one that is changes from run to run; it is for comparisons on one engine"
              .formatted(given.compute().attention()));
    }
    return CheckedModel.open(given.model(), given.compute(), given.tokens().bos());
  }

  /**
   * Runs.
   *
   * @param report takes a few lines for people
   * @throws UsageException if model or input cannot be used; nothing was computed
   * @throws io.sparsefill.job.output.OutputRefused if the output folder cannot be used; nothing was
   *     computed
   */
  public static RunSummary execute(SparkSession spark, RunOptions given, PrintWriter report)
      throws IOException {
    long started = System.nanoTime();
    refuseOutputInsideInput(spark, given);
    CheckedModel model = checkedModel(given);
    RunOptions options = given.on(RunBackend.of(spark, given, model));
    Configuration conf = spark.sparkContext().hadoopConfiguration();
    String path = options.output().path();
    RunSummary summary;
    Set<String> listed;
    try (OutputFolder output =
            OutputFolder.open(
                conf,
                path,
                model.identity(options).fields(),
                OutputFolder.newRunId(conf, path),
                model.settings(options, spark.sparkContext().applicationId()),
                new Claim(
                    "run", spark.sparkContext().applicationId(), options.output().breakLock()));
        TokenizedCorpus corpus =
            TokenizedCorpus.of(tokenized(spark, options, model, output.done()))) {
      output.lockTakenFrom().ifPresent(from -> report.println("Took over the lock of " + from));
      Run run = new Run(spark, options, model, output, corpus);
      Throughput throughput = run.prefillInWaves();
      double seconds = (System.nanoTime() - started) / 1e9;
      summary =
          run.tally.summary(
              output.runId(),
              seconds,
              throughput == null ? null : throughput.idle(),
              path,
              output.changed(),
              InputNames.gone(corpus, options, output));
      output.recordEnd(
          summary.errorRateExceeded() ? RunRecord.TOO_MANY_ERRORS : RunRecord.DONE,
          summary.doneBefore(),
          seconds);
      run.tell(summary, report);
      listed = InputNames.listed(corpus, options, report);
    }
    if (options.retain().superseded() && !summary.errorRateExceeded()) {
      Retention.Options keep = new Retention.Options(listed, 0, options.retain().grace());
      Claim claim = Claim.of("retain", spark.sparkContext().applicationId());
      report.println(Retention.run(spark, path, keep, claim).text());
    }
    return summary;
  }

  /**
   * Only plans: reads and tokenises, but neither pre-fills nor writes.
   *
   * @throws UsageException if model or input cannot be used
   */
  public static RunPlan plan(SparkSession spark, RunOptions given) throws IOException {
    CheckedModel model = checkedModel(given);
    String output = given.output().path();
    if (output != null) {
      refuseOutputInsideInput(spark, given);
    }
    BackendChoice backend = RunBackend.of(spark, given, model);
    RunOptions options = given.on(backend);
    OutputPreview found =
        output == null
            ? OutputPreview.EMPTY
            : OutputPreview.of(
                spark.sparkContext().hadoopConfiguration(),
                output,
                model.identity(options).fields());
    Prediction prediction = prediction(spark, options, model, found.runs());
    try (TokenizedCorpus corpus = wholeCorpus(spark, options, model, found.done())) {
      int slots = PrefillTasks.of(spark).slots();
      List<PlannedWave> waves =
          Schedule.of(corpus.summaries(), prediction.cost(), slots, options.limits().waveSeconds());
      return new RunPlan(
          corpus.summaries(),
          waves,
          slots,
          backend,
          longest(spark, options, model, corpus.summaries()),
          prediction.basis(),
          OutputBytes.kv(model, options, waves),
          OutputBytes.logits(model, options, waves));
    }
  }

  /** Null when there is nothing to pre-fill. */
  private static LongestDocument longest(
      SparkSession spark, RunOptions options, CheckedModel model, List<DocumentSummary> documents) {
    List<DocumentSummary> left = documents.stream().filter(DocumentSummary::isToPrefill).toList();
    if (left.isEmpty()) {
      return null;
    }
    int tokens = left.stream().mapToInt(DocumentSummary::tokenCount).max().getAsInt();
    int question = left.stream().mapToInt(DocumentSummary::questionTokens).max().getAsInt();
    Answering answering = model.answering(options);
    MemoryPlan memory =
        Engine.memoryPlan(
            model.engine(options, PrefillTasks.of(spark).threads()),
            tokens,
            answering == null ? 0 : answering.room(question));
    boolean here = spark.sparkContext().isLocal();
    return new LongestDocument(
        tokens, memory, here ? RunBackend.deviceBytes(options.compute().backend()) : 0);
  }

  private static TokenizedCorpus wholeCorpus(
      SparkSession spark, RunOptions options, CheckedModel model, Set<String> done) {
    spark.sparkContext().setJobDescription("reading and tokenising " + options.input().input());
    try {
      return TokenizedCorpus.whole(tokenized(spark, options, model, done));
    } catch (CompletionException e) {
      throw Reading.failed(options.input().input(), e);
    } finally {
      spark.sparkContext().setJobDescription(null);
    }
  }

  private static JavaRDD<TokenizedDocument> tokenized(
      SparkSession spark, RunOptions options, CheckedModel model, Set<String> done) {
    JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    Broadcast<Set<String>> finished = context.broadcast(new HashSet<>(done));
    return Tokenizing.tokenize(
        documents(spark, options),
        model.tokenizing(options),
        (docId, sha) -> finished.value().contains(OutputFolder.doneKey(docId, sha)));
  }

  private static void refuseOutputInsideInput(SparkSession spark, RunOptions options) {
    try {
      Documents.refuseOutputInside(spark, options.input(), options.output().path());
    } catch (IOException | IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
  }

  private static JavaRDD<Document> documents(SparkSession spark, RunOptions options) {
    try {
      return Documents.read(spark, options.input());
    } catch (IOException | IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
  }

  /** Returns what was measured; null when nothing was pre-filled. */
  private Throughput prefillInWaves() throws IOException {
    try (Progress progress = new Progress(spark.sparkContext(), Progress.terminal())) {
      Waves waves =
          new Waves(
              spark,
              corpus,
              output,
              tally,
              conditions(spark, options),
              options.limits().waveSeconds(),
              () -> PrefillTasks.of(spark),
              new Reading(spark, corpus, options.input().input()),
              work(progress));
      return waves.prefill();
    }
  }

  private Waves.Work work(Progress progress) {
    return new Waves.Work() {
      private long known;
      private long tokens;
      private double seconds;

      @Override
      public PrefillPartition prefill(int wave) {
        return prefillPartition(wave, progress);
      }

      @Override
      public int engines(int slots) {
        boolean local = spark.sparkContext().isLocal();
        return PrefillTasks.engines(slots, local, options.compute().backend());
      }

      @Override
      public DocumentRow withoutPrefill(DocumentSummary document) {
        return Run.this.withoutPrefill(document);
      }

      @Override
      public void know(List<DocumentSummary> documents, boolean last) {
        for (DocumentSummary document : documents) {
          if (document.isToPrefill()) {
            known++;
            tokens += document.tokenCount();
            seconds += tally.assumed().seconds(document);
          }
        }
        if (known > 0) {
          progress.expect(known, tokens, seconds, last);
        }
      }
    };
  }

  /** The row of a document that failed on the way here, or is left out. */
  private DocumentRow withoutPrefill(DocumentSummary document) {
    return new DocumentRow(
        document.docId(),
        document.source(),
        document.contentSha256(),
        0,
        document.status(),
        document.error(),
        null,
        null,
        null,
        null,
        output.fingerprint(),
        output.runId());
  }

  /** What pre-fills the bins of a wave. */
  private PrefillPartition prefillPartition(int wave, Progress progress) {
    RunOptions.Output wanted = options.output();
    return new PrefillPartition(
        model.engine(options, PrefillTasks.of(spark).threads()),
        options.tokens().bos(),
        new LogitsRows(wanted.emit(), wanted.topK(), wanted.fullLogits()),
        model.answering(options),
        output.writerOptions(wave, wanted.kvCompression(), writerThreads(spark, options)),
        new SerializableConfiguration(spark.sparkContext().hadoopConfiguration()),
        output.fingerprint(),
        tally.assumed(),
        progress.counters());
  }

  private void tell(RunSummary summary, PrintWriter report) {
    tellDocuments(summary, report);
    if (summary.gone() != null && summary.gone() > 0) {
      report.printf(
          Locale.ROOT,
          "%,d documents of the output are not in the input any more.%n",
          summary.gone());
    }
  }

  private void tellDocuments(RunSummary summary, PrintWriter report) {
    long touched = summary.ok() + summary.failed() + summary.skipped();
    if (touched == 0) {
      report.printf(
          Locale.ROOT,
          "Nothing to do: the input has %,d documents, all of them finished before.%n",
          summary.doneBefore());
      return;
    }
    report.printf(
        Locale.ROOT,
        "%,d documents pre-filled (%,d new, %,d changed), %,d failed, %,d skipped, %,d unchanged;"
            + " %,d tokens in %.1f s (%,.0f tokens/s).%n",
        summary.ok(),
        summary.ok() - summary.changed(),
        summary.changed(),
        summary.failed(),
        summary.skipped(),
        summary.doneBefore(),
        summary.tokens(),
        summary.seconds(),
        summary.tokensPerSecond());
    if (summary.idle() != null) {
      report.printf(
          Locale.ROOT, "The engines were idle for %.1f %% of the time.%n", 100 * summary.idle());
    }
    tally.errors().forEach(error -> report.println("  failed: " + error));
    if (summary.failed() > tally.errors().size()) {
      report.println("  failed: ... see the documents table for all");
    }
    if (summary.errorRateExceeded()) {
      report.printf(
          Locale.ROOT,
          "Ended: %.1f %% of the documents failed, more than --max-error-rate %s; %,d documents were"
              + " not tried. What is committed stays.%n",
          100 * summary.errorRate(),
          options.limits().maxErrorRate(),
          summary.left());
    }
  }

  private static Prediction prediction(
      SparkSession spark, RunOptions options, CheckedModel model, List<Manifest.Run> runs) {
    String attention = options.compute().attention();
    CostEstimate assumed =
        options.compute().backend().equals("cuda")
            ? CostEstimate.onGpu(model.config(), attention)
            : CostEstimate.onCpu(model.config(), attention, PrefillTasks.of(spark).threads());
    return Prediction.of(assumed, runs, conditions(spark, options));
  }

  /** What decides the speed of a pre-fill besides the output's identity and the device. */
  private static Map<String, String> conditions(SparkSession spark, RunOptions options) {
    return Map.of(
        "weights", options.compute().weights(),
        "kv_compression", options.output().kvCompression().label(),
        "threads", Integer.toString(PrefillTasks.of(spark).threads()),
        "writer_threads", Integer.toString(writerThreads(spark, options)));
  }

  private static int writerThreads(SparkSession spark, RunOptions options) {
    return options
        .output()
        .writerThreads()
        .inTask(options.compute().backend(), PrefillTasks.of(spark).threads());
  }
}
