package io.sparsefill.job.run;

import java.io.PrintStream;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.apache.spark.SparkContext;
import org.apache.spark.Success$;
import org.apache.spark.scheduler.AccumulableInfo;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorMetricsUpdate;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.util.DoubleAccumulator;
import org.apache.spark.util.LongAccumulator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.collection.Iterable;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Shows how far a run is, on standard error: a bar on a terminal, a log line every ten seconds
 * elsewhere. Tasks count in accumulators; their values come with executor heartbeats and at a
 * task's end, and are kept per task, so that a repeated attempt counts once. What was done is told
 * by the documents table, never by this.
 */
final class Progress implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Progress.class);
  private static final int LOG_SECONDS = 10;

  private final SparkContext spark;
  private final PrintStream terminal;
  private final ProgressState state = new ProgressState();
  private final Counters counters;
  private final Listener listener = new Listener();
  private volatile long started;
  private final ScheduledExecutorService timer;
  private final ScheduledFuture<?> ticking;

  /** What tasks count in; travels with them. */
  record Counters(LongAccumulator documents, LongAccumulator tokens, DoubleAccumulator predicted)
      implements java.io.Serializable {
    /** Counts one finished document. */
    void add(long documentTokens, double predictedSeconds) {
      documents.add(1L);
      tokens.add(documentTokens);
      predicted.add(predictedSeconds);
    }
  }

  /**
   * Begins to show.
   *
   * @param terminal where the bar goes, or null for log lines
   */
  Progress(SparkContext spark, PrintStream terminal) {
    this.spark = spark;
    this.terminal = terminal;
    this.counters =
        new Counters(
            spark.longAccumulator("sparsefill.documents"),
            spark.longAccumulator("sparsefill.tokens"),
            spark.doubleAccumulator("sparsefill.predicted_seconds"));
    spark.addSparkListener(listener);
    timer =
        Executors.newSingleThreadScheduledExecutor(
            task -> {
              Thread thread = new Thread(task, "sparsefill-progress");
              thread.setDaemon(true);
              return thread;
            });
    long millis = terminal == null ? TimeUnit.SECONDS.toMillis(LOG_SECONDS) : 500;
    ticking = timer.scheduleAtFixedRate(this::show, millis, millis, TimeUnit.MILLISECONDS);
  }

  /**
   * Standard error if this is an interactive session, else null. From JDK 22 on there is a console
   * whether or not it is interactive, so there log lines are the safe choice.
   */
  @SuppressWarnings("SystemConsoleNull")
  static PrintStream terminal() {
    return System.console() == null || Runtime.version().feature() >= 22 ? null : System.err;
  }

  /** What the tasks count in. */
  Counters counters() {
    return counters;
  }

  /**
   * Sets what is known of the run; shows nothing, and counts no time, before the first.
   *
   * @param last whether that is all of it
   */
  void expect(long documents, long tokens, double predictedSeconds, boolean last) {
    if (!state.isKnown()) {
      started = System.nanoTime();
    }
    state.expect(documents, tokens, predictedSeconds, last);
  }

  private double elapsed() {
    return (System.nanoTime() - started) / 1e9;
  }

  private void show() {
    if (!state.isKnown()) {
      return;
    }
    if (terminal == null) {
      log.info("{}", state.line(elapsed()));
    } else {
      terminal.print("\r" + state.bar(elapsed()) + "\u001b[K");
      terminal.flush();
    }
  }

  @Override
  public void close() {
    ticking.cancel(false);
    timer.shutdown();
    spark.removeSparkListener(listener);
    if (terminal != null && state.isKnown()) {
      show();
      terminal.println();
    }
  }

  private final class Listener extends SparkListener {
    @Override
    public void onTaskEnd(SparkListenerTaskEnd end) {
      if (end.taskInfo() == null) {
        return;
      }
      if (end.reason() == Success$.MODULE$) {
        report(end.taskInfo().taskId(), end.taskInfo().accumulables());
      } else {
        state.withdraw(end.taskInfo().taskId());
      }
    }

    @Override
    public void onExecutorMetricsUpdate(SparkListenerExecutorMetricsUpdate update) {
      CollectionConverters.asJava(update.accumUpdates())
          .forEach(task -> report((Long) task._1(), task._4()));
    }

    private void report(long task, Iterable<AccumulableInfo> values) {
      long documents = 0;
      long tokens = 0;
      double predicted = 0;
      for (AccumulableInfo value : CollectionConverters.asJava(values)) {
        Object update = value.update().isDefined() ? value.update().get() : null;
        if (!(update instanceof Number number)) {
          continue;
        }
        if (value.id() == counters.documents().id()) {
          documents = number.longValue();
        } else if (value.id() == counters.tokens().id()) {
          tokens = number.longValue();
        } else if (value.id() == counters.predicted().id()) {
          predicted = number.doubleValue();
        }
      }
      if (documents > 0) {
        state.report(task, new ProgressState.Report(documents, tokens, predicted));
      }
    }
  }
}
