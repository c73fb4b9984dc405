package io.sparsefill.job.run;

import io.sparsefill.job.CostModel;
import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentSummary;
import io.sparsefill.job.JavaBytes;
import io.sparsefill.job.PackedDocuments;
import io.sparsefill.job.Packing;
import io.sparsefill.job.PlannedWave;
import io.sparsefill.job.TokenizedCorpus;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.job.output.OutputFolder;
import io.sparsefill.job.output.Throughput;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Pre-fills documents wave by wave: a Spark job over a wave's bins, then its commit. Two waves are
 * under way at a time: a slot that has ended its bin of one takes a bin of the next, instead of
 * waiting for the slowest and for the commit. Waves are committed one after the other in their
 * order, so what a crash costs is at most two of them.
 */
final class Waves {
  private static final Logger log = LoggerFactory.getLogger(Waves.class);

  /**
   * Tasks per slot and wave. With four, a run whose predictions are 20 % wrong ends 5.0 % after the
   * least possible instead of 11.5 % in ScheduleTest's hardest case (one wave), but one that is
   * predicted rightly up to 3.8 % late instead of 1.4 % in a wave; and at each task's end the
   * engine waits until the last rows are written, into files that are a quarter as large. Costs are
   * fitted to measured seconds from the first wave on, so predictions are trusted.
   */
  private static final int BINS_PER_SLOT = 1;

  private static final int UNDER_WAY = 2;

  private static final String INTERRUPT_ON_CANCEL = "spark.job.interruptOnCancel";

  /** The rest is planned anew when a wave took this many times longer or shorter than planned. */
  private static final double REPLAN_FACTOR = 1.5;

  private final SparkSession spark;
  private final TokenizedCorpus corpus;
  private final OutputFolder output;
  private final Tally tally;
  private final Map<String, String> conditions;
  private final double waveSeconds;
  private final IntFunction<PrefillPartition> prefill;
  private final PrefillTasks tasks;
  private final List<DocumentSummary> left = new ArrayList<>();
  private EngineTime engines = EngineTime.NONE;
  private long started;
  private int slots;
  private Throughput throughput;

  /**
   * For the documents of a run.
   *
   * @param conditions under which costs are measured, see {@link Throughput.Measured}
   * @param waveSeconds how long a wave should take
   * @param prefill what pre-fills the bins of a wave, by the wave's number
   */
  Waves(
      SparkSession spark,
      TokenizedCorpus corpus,
      OutputFolder output,
      Tally tally,
      Map<String, String> conditions,
      double waveSeconds,
      IntFunction<PrefillPartition> prefill) {
    this.spark = spark;
    this.corpus = corpus;
    this.output = output;
    this.tally = tally;
    this.conditions = conditions;
    this.waveSeconds = waveSeconds;
    this.prefill = prefill;
    this.tasks = PrefillTasks.of(spark);
  }

  /** The waves of a run with nothing measured yet. */
  static List<PlannedWave> plan(
      List<DocumentSummary> documents, CostModel cost, int slots, double waveSeconds) {
    return Packing.waves(documents, cost, slots, BINS_PER_SLOT, waveSeconds);
  }

  private record UnderWay(
      int number, String name, PlannedWave wave, JavaFutureAction<List<byte[]>> job) {}

  /**
   * Pre-fills documents until none is left or too many have failed.
   *
   * @param firstWave the first wave's number in the output
   * @return what was measured
   */
  Throughput prefill(List<DocumentSummary> documents, int firstWave) throws IOException {
    left.addAll(documents);
    started = System.nanoTime();
    int finished = 0;
    while (!left.isEmpty() && !tally.errorRateExceeded()) {
      int now = PrefillTasks.of(spark).slots();
      slots = Math.max(slots, now);
      CostModel cost = tally.learnt();
      finished += prefill(plan(left, cost, now, waveSeconds), cost, finished, firstWave);
    }
    log.info(
        "{}",
        String.format(
            Locale.ROOT,
            "Engines pre-filled for %.1f s of %.1f s in their tasks (%.1f %% idle), of %.1f s of their"
                + " slots, and of %.1f s with reading and tokenising (%.1f %% idle); rows waited for"
                + " %.1f s to be written",
            throughput.prefillSeconds(),
            throughput.taskSeconds(),
            100 * throughput.idleInTasks(),
            throughput.slotSeconds(),
            throughput.slotSeconds() + throughput.readingSeconds(),
            100 * throughput.idle(),
            throughput.heldBackSeconds()));
    return throughput;
  }

  /**
   * Goes through a plan until it ends, turns out far from the truth, or too many documents failed.
   *
   * @param cost that the plan was made with
   * @param finished waves of earlier plans
   * @return waves that were committed
   */
  private int prefill(List<PlannedWave> plan, CostModel cost, int finished, int firstWave)
      throws IOException {
    PackedDocuments packed = corpus.pack(plan);
    Deque<UnderWay> underWay = new ArrayDeque<>();
    int begun = 0;
    int committed = 0;
    boolean asPlanned = true;
    try {
      while (true) {
        while (asPlanned && begun < plan.size() && underWay.size() < UNDER_WAY) {
          int number = finished + begun;
          String name = "wave " + (number + 1) + "/" + (finished + plan.size());
          underWay.add(begin(firstWave + number, name, plan.get(begun), packed.wave(begun)));
          begun++;
        }
        if (underWay.isEmpty()) {
          return committed;
        }
        UnderWay wave = underWay.peek();
        List<FilledBin> bins = result(wave);
        underWay.remove();
        commit(wave, bins);
        committed++;
        if (tally.errorRateExceeded()) {
          return committed;
        }
        asPlanned &= isNear(cost, bins);
      }
    } finally {
      underWay.forEach(wave -> wave.job().cancel(true));
    }
  }

  private UnderWay begin(
      int number, String name, PlannedWave wave, JavaRDD<TokenizedDocument> documents) {
    String description =
        String.format(
            Locale.ROOT, "%s: %,d documents, %,d tokens", name, wave.documents(), wave.tokens());
    log.info("{}", description);
    spark.sparkContext().setJobDescription(description);
    // A wave that is given up must not go on for the rest of a long document.
    spark.sparkContext().setLocalProperty(INTERRUPT_ON_CANCEL, "true");
    try {
      JavaRDD<byte[]> bins = documents.mapPartitions(prefill.apply(number));
      return new UnderWay(number, name, wave, tasks.on(bins).collectAsync());
    } finally {
      spark.sparkContext().setLocalProperty(INTERRUPT_ON_CANCEL, null);
      spark.sparkContext().setJobDescription(null);
    }
  }

  private static List<FilledBin> result(UnderWay wave) throws IOException {
    try {
      return wave.job().get().stream()
          .map(bytes -> JavaBytes.read(bytes, FilledBin.class))
          .toList();
    } catch (ExecutionException e) {
      throw new IllegalStateException(
          "Cannot pre-fill " + wave.name() + ": " + e.getCause().getMessage(), e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      InterruptedIOException interrupted =
          new InterruptedIOException(wave.name() + " was interrupted");
      interrupted.initCause(e);
      throw interrupted;
    }
  }

  private void commit(UnderWay wave, List<FilledBin> bins) throws IOException {
    for (FilledBin bin : bins) {
      tally.add(bin.output().documents());
      engines = engines.plus(bin.time());
    }
    double wall = (System.nanoTime() - started) / 1e9;
    throughput =
        new Throughput(
            tally.costs(conditions),
            engines.prefillSeconds(),
            engines.heldBackSeconds(),
            engines.taskSeconds(),
            slots * wall,
            slots * corpus.seconds());
    output.commitWave(wave.number(), bins.stream().map(FilledBin::output).toList(), throughput);
    Set<DocumentSummary> done =
        wave.wave().bins().stream()
            .map(bin -> bin.documents())
            .flatMap(Collection::stream)
            .collect(Collectors.toSet());
    left.removeAll(done);
    log.info("{} is committed", wave.name());
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
