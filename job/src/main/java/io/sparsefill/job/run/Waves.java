package io.sparsefill.job.run;

import io.sparsefill.job.CostModel;
import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentSummary;
import io.sparsefill.job.PackedDocuments;
import io.sparsefill.job.PlannedWave;
import io.sparsefill.job.RunningJob;
import io.sparsefill.job.Schedule;
import io.sparsefill.job.TokenizedCorpus;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.job.output.OutputFolder;
import io.sparsefill.job.output.TaskOutput;
import io.sparsefill.job.output.Throughput;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.function.Supplier;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads documents and pre-fills them wave by wave: a Spark job over a wave's bins, then its commit.
 * While waves are pre-filled, later documents are read ({@link Reading}), and what is known is
 * planned when slots are about to need it ({@link Schedule}). Waves are committed one after the
 * other in their order, so what a crash costs is at most two of them.
 */
final class Waves {
  static final String INTERRUPT_ON_CANCEL = "spark.job.interruptOnCancel";

  private static final Logger log = LoggerFactory.getLogger(Waves.class);

  /** The rest is planned anew when a wave took this many times longer or shorter than planned. */
  private static final double REPLAN_FACTOR = 1.5;

  private final SparkSession spark;
  private final TokenizedCorpus corpus;
  private final OutputFolder output;
  private final Tally tally;
  private final Map<String, String> conditions;
  private final Supplier<PrefillTasks> tasks;
  private final PrefillTasks stage;
  private final Schedule schedule;
  private final Reading reading;
  private final Work work;
  private final WaveStarts starts = new WaveStarts();
  private final Deque<UnderWay> underWay = new ArrayDeque<>();
  private final List<DocumentRow> rowsToCommit = new ArrayList<>();
  private final long opened = System.nanoTime();
  private int begun;
  private int enginesAtOnce;
  private double readingSeconds;
  private List<PlannedWave> planned = List.of();
  private PackedDocuments packed;
  private EngineTime engines = EngineTime.NONE;
  private Throughput throughput;

  /** What a run gives to its waves. */
  interface Work {
    /** Pre-fills the bins of a wave; gives one serialised {@link FilledBin} for each. */
    FlatMapFunction<Iterator<TokenizedDocument>, byte[]> prefill(int wave);

    /** How many documents the tasks of so many slots pre-fill at once. */
    int engines(int slots);

    /** The row of a document that is not pre-filled. */
    DocumentRow withoutPrefill(DocumentSummary document);

    /** Takes documents that have become known, and whether there are no more. */
    void know(List<DocumentSummary> documents, boolean last);
  }

  /**
   * For the documents of a run.
   *
   * @param conditions under which costs are measured, see {@link Throughput.Measured}
   * @param waveSeconds how long a wave should take
   * @param tasks what a cluster has for them, now
   * @param reading of the same corpus
   */
  Waves(
      SparkSession spark,
      TokenizedCorpus corpus,
      OutputFolder output,
      Tally tally,
      Map<String, String> conditions,
      double waveSeconds,
      Supplier<PrefillTasks> tasks,
      Reading reading,
      Work work) {
    this.spark = spark;
    this.corpus = corpus;
    this.output = output;
    this.tally = tally;
    this.conditions = conditions;
    this.schedule = new Schedule(waveSeconds);
    this.tasks = tasks;
    this.stage = tasks.get();
    this.reading = reading;
    this.work = work;
  }

  /**
   * A wave between its beginning and its commit.
   *
   * @param cost that it was planned with
   */
  private record UnderWay(
      int number,
      String name,
      PlannedWave wave,
      CostModel cost,
      WaveStarts.Start start,
      RunningJob<FilledBin> job) {

    boolean hasEnded() {
      return job.result().isDone();
    }

    boolean hasBegun() {
      return start.begun().isDone() || hasEnded();
    }

    boolean isLaidOut() {
      return start.laidOut().isDone() || hasBegun();
    }
  }

  /**
   * Pre-fills documents until none is left or too many have failed.
   *
   * @return what was measured, or null when no wave was committed
   */
  Throughput prefill() throws IOException {
    SparkContext context = spark.sparkContext();
    context.addSparkListener(starts);
    try (reading) {
      boolean more = true;
      while (more) {
        takeDocuments();
        while (!underWay.isEmpty() && underWay.peek().hasEnded()) {
          commit(underWay.remove());
        }
        // Before the whole input is known, the share of failures may still fall.
        if (reading.isOver() && tally.errorRateExceeded()) {
          break;
        }
        if (begun > 0 || !reading.goOnFirst(tasks.get())) {
          beginWaves();
          readOn();
        }
        more = await();
      }
      commitRows();
    } finally {
      underWay.forEach(wave -> wave.job().cancel());
      context.removeSparkListener(starts);
    }
    if (throughput != null) {
      tell();
    }
    return throughput;
  }

  private void takeDocuments() {
    if (!reading.hasEnded() || (reading.hasFailed() && !underWay.isEmpty())) {
      return; // what engines have begun is committed before a failed section ends the run
    }
    List<DocumentSummary> documents = reading.take();
    tally.know(documents);
    schedule.add(documents, reading.isOver());
    List<DocumentRow> rows =
        documents.stream()
            .filter(document -> !document.isToPrefill() && !document.isDone())
            .map(work::withoutPrefill)
            .toList();
    tally.add(rows);
    rowsToCommit.addAll(rows);
    work.know(documents, reading.isOver());
  }

  /** Begins what the schedule says, but nothing while it is in doubt whether the run goes on. */
  private void beginWaves() throws IOException {
    boolean failed = underWay.stream().anyMatch(w -> w.job().result().isCompletedExceptionally());
    if (failed || reading.hasFailed() || tally.errorRateExceeded()) {
      return;
    }
    PrefillTasks now = tasks.get();
    CostModel cost = tally.learnt();
    List<PlannedWave> waves = new ArrayList<>(underWay.stream().map(UnderWay::wave).toList());
    for (Optional<Schedule.Step> step = schedule.begin(cost, now.slots(), waves, binsWait());
        step.isPresent();
        step = schedule.begin(cost, now.slots(), waves, binsWait())) {
      waves.add(step.get().wave());
      enginesAtOnce = Math.max(enginesAtOnce, work.engines(now.slots()));
      begin(step.get(), cost);
    }
  }

  private boolean binsWait() {
    return !underWay.isEmpty() && !underWay.getLast().hasBegun();
  }

  private void begin(Schedule.Step step, CostModel cost) {
    if (begun == 0) {
      readingSeconds = seconds();
    }
    if (planned != step.plan()) {
      planned = step.plan();
      packed = corpus.pack(planned);
    }
    int number = ++begun;
    int last = number + planned.size() - 1 - step.index();
    String name = "wave " + number + "/" + last + (reading.isOver() ? "" : " or more");
    PlannedWave wave = step.wave();
    String description =
        String.format(
            Locale.ROOT, "%s: %,d documents, %,d tokens", name, wave.documents(), wave.tokens());
    log.info("{}", description);
    SparkContext context = spark.sparkContext();
    context.setJobDescription(description);
    // A wave that is given up must not go on for the rest of a long document.
    context.setLocalProperty(INTERRUPT_ON_CANCEL, "true");
    context.setLocalProperty(WaveStarts.PROPERTY, Integer.toString(number));
    try {
      WaveStarts.Start start = starts.expect(number);
      JavaRDD<byte[]> bins = packed.wave(step.index()).mapPartitions(work.prefill(number));
      RunningJob<FilledBin> job = RunningJob.collect(stage.on(bins), FilledBin.class);
      underWay.add(new UnderWay(number, name, wave, cost, start, job));
    } finally {
      context.setLocalProperty(WaveStarts.PROPERTY, null);
      context.setLocalProperty(INTERRUPT_ON_CANCEL, null);
      context.setJobDescription(null);
    }
  }

  /**
   * Reads on. Tasks that lay out a wave come first, because engines wait for them; and tasks that
   * pre-fill have taken their cores before those that read get the others.
   */
  private void readOn() {
    if (underWay.isEmpty() || underWay.getLast().isLaidOut()) {
      reading.goOn(tasks.get(), !underWay.isEmpty());
    }
  }

  /** Waits until there may be something to do; false when nothing is under way. */
  private boolean await() throws IOException {
    List<CompletableFuture<?>> news = new ArrayList<>();
    if (reading.ended() != null && !reading.hasFailed()) {
      news.add(reading.ended());
    }
    if (!underWay.isEmpty()) {
      UnderWay newest = underWay.getLast();
      news.add(underWay.peek().job().result());
      if (!newest.hasEnded()) {
        news.add(newest.job().result());
      }
      if (!newest.hasBegun()) {
        news.add(newest.start().begun());
      }
      if (!newest.isLaidOut()) {
        news.add(newest.start().laidOut());
      }
    }
    if (news.isEmpty()) {
      return reading.hasFailed(); // which taking it will tell
    }
    try {
      CompletableFuture.anyOf(news.toArray(CompletableFuture[]::new))
          .handle((result, failure) -> result) // whoever takes the result sees the failure
          .get();
      return true;
    } catch (ExecutionException e) {
      throw new IllegalStateException("Cannot wait for tasks: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      InterruptedIOException interrupted = new InterruptedIOException("The run was interrupted");
      interrupted.initCause(e);
      throw interrupted;
    }
  }

  private void commit(UnderWay wave) throws IOException {
    List<FilledBin> bins = result(wave);
    List<TaskOutput> outputs = new ArrayList<>();
    if (!rowsToCommit.isEmpty()) {
      outputs.add(TaskOutput.ofDocuments(rowsToCommit));
    }
    for (FilledBin bin : bins) {
      tally.add(bin.output().documents());
      engines = engines.plus(bin.time());
      outputs.add(bin.output());
    }
    throughput =
        new Throughput(
            tally.costs(conditions),
            engines.prefillSeconds(),
            engines.heldBackSeconds(),
            engines.taskSeconds(),
            enginesAtOnce * (seconds() - readingSeconds),
            enginesAtOnce * readingSeconds);
    output.commitWave(wave.number(), outputs, throughput);
    rowsToCommit.clear();
    log.info("{} is committed", wave.name());
    if (!isNear(wave.cost(), bins)) {
      schedule.planAnew();
    }
  }

  /** Commits the rows that no wave took along, as a wave of their own. */
  private void commitRows() throws IOException {
    if (!rowsToCommit.isEmpty()) {
      output.commitWave(++begun, List.of(TaskOutput.ofDocuments(rowsToCommit)), throughput);
    }
  }

  private static List<FilledBin> result(UnderWay wave) {
    try {
      return wave.job().result().join();
    } catch (CompletionException e) {
      throw new IllegalStateException(
          "Cannot pre-fill " + wave.name() + ": " + e.getCause().getMessage(), e.getCause());
    }
  }

  private double seconds() {
    return (System.nanoTime() - opened) / 1e9;
  }

  private void tell() {
    log.info(
        "{}",
        String.format(
            Locale.ROOT,
            "Engines pre-filled for %.1f s of %.1f s in their tasks (%.1f %% idle), of %.1f s of all"
                + " engines, and of %.1f s with the reading that they waited for at first (%.1f %% idle);"
                + " rows waited for %.1f s to be written",
            throughput.prefillSeconds(),
            throughput.taskSeconds(),
            100 * throughput.idleInTasks(),
            throughput.slotSeconds(),
            throughput.slotSeconds() + throughput.readingSeconds(),
            100 * throughput.idle(),
            throughput.heldBackSeconds()));
  }

  private static boolean isNear(CostModel planned, List<FilledBin> bins) {
    double measured = 0;
    double predicted = 0;
    for (FilledBin bin : bins) {
      for (DocumentRow row : bin.output().documents()) {
        if (row.prefillSeconds() != null) {
          measured += row.prefillSeconds();
          predicted += planned.seconds(row.tokenCount());
        }
      }
    }
    return measured <= REPLAN_FACTOR * predicted && predicted <= REPLAN_FACTOR * measured;
  }
}
