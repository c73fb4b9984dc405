package io.sparsefill.job.run;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * How far a run is: the sum over its tasks' last reports. A failed attempt's report is withdrawn.
 * Reports arrive on Spark's listener thread while another thread renders.
 */
final class ProgressState {
  /** What one task has finished: documents, tokens, and their predicted seconds. */
  record Report(long documents, long tokens, double predictedSeconds) {}

  private static final int BAR_CELLS = 24;

  private final Map<Long, Report> tasks = new HashMap<>();
  private long allDocuments;
  private long allTokens;
  private double allPredictedSeconds;
  private boolean whole;

  /**
   * Sets what is known of the run.
   *
   * @param last whether that is all of it; while documents are still being read it is not
   */
  synchronized void expect(long documents, long tokens, double predictedSeconds, boolean last) {
    allDocuments = documents;
    allTokens = tokens;
    allPredictedSeconds = predictedSeconds;
    whole = last;
  }

  /** Whether anything is known. */
  synchronized boolean isKnown() {
    return allDocuments > 0;
  }

  /** Replaces what a task has reported so far. */
  synchronized void report(long task, Report report) {
    tasks.put(task, report);
  }

  /** Forgets a task whose attempt failed. */
  synchronized void withdraw(long task) {
    tasks.remove(task);
  }

  private Report done() {
    long documents = 0;
    long tokens = 0;
    double predicted = 0;
    for (Report report : tasks.values()) {
      documents += report.documents();
      tokens += report.tokens();
      predicted += report.predictedSeconds();
    }
    return new Report(documents, tokens, predicted);
  }

  /**
   * Seconds left: time so far, scaled by the predicted cost of what is left; NaN before the first
   * document.
   */
  synchronized double secondsLeft(double elapsed) {
    double done = done().predictedSeconds();
    return done > 0 ? elapsed * Math.max(0, allPredictedSeconds - done) / done : Double.NaN;
  }

  /** One line without a bar, for logs. */
  synchronized String line(double elapsed) {
    Report done = done();
    return String.format(
        Locale.ROOT,
        "%,d%s%,d documents, %,d%s%,d tokens, %,.0f tokens/s, %s%s left",
        done.documents(),
        whole ? "/" : " of at least ",
        allDocuments,
        done.tokens(),
        whole ? "/" : " of at least ",
        allTokens,
        elapsed > 0 ? done.tokens() / elapsed : 0,
        whole ? "" : "at least ",
        duration(secondsLeft(elapsed)));
  }

  /** A bar of predicted cost and the line. */
  synchronized String bar(double elapsed) {
    double share = allPredictedSeconds > 0 ? done().predictedSeconds() / allPredictedSeconds : 0;
    int full = (int) Math.round(BAR_CELLS * Math.min(1, share));
    return "[" + "#".repeat(full) + ".".repeat(BAR_CELLS - full) + "] " + line(elapsed);
  }

  /** {@code 1:02:03}, {@code 2:03} or {@code ?}. */
  static String duration(double seconds) {
    if (Double.isNaN(seconds)) {
      return "?";
    }
    long whole = Math.round(seconds);
    return whole >= 3600
        ? String.format(Locale.ROOT, "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60)
        : String.format(Locale.ROOT, "%d:%02d", whole / 60, whole % 60);
  }
}
