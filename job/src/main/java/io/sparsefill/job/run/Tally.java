package io.sparsefill.job.run;

import io.sparsefill.job.CostModel;
import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentSummary;
import java.util.ArrayList;
import java.util.List;

/** Counts committed documents rows of a run, on the driver. */
final class Tally {
  private static final int ERRORS_SHOWN = 5;

  private final long all;
  private final long doneBefore;
  private final double maxErrorRate;
  private final CostModel cost;
  private final List<String> errors = new ArrayList<>();
  private long ok;
  private long failed;
  private long skipped;
  private long tokens;
  private double measuredSeconds;
  private double predictedSeconds;

  /**
   * For the documents of a run.
   *
   * @param documents all of the input
   * @param maxErrorRate failed documents over all of the input, above which the run ends
   * @param cost the prediction that measured times are compared with
   */
  Tally(List<DocumentSummary> documents, double maxErrorRate, CostModel cost) {
    this.all = documents.size();
    this.doneBefore = documents.stream().filter(DocumentSummary::isDone).count();
    this.maxErrorRate = maxErrorRate;
    this.cost = cost;
  }

  /** Counts rows that were committed. */
  void add(List<DocumentRow> rows) {
    for (DocumentRow row : rows) {
      switch (row.status()) {
        case OK, TRUNCATED -> {
          ok++;
          tokens += row.tokenCount();
          measuredSeconds += row.prefillSeconds();
          predictedSeconds += cost.seconds(row.tokenCount());
        }
        case SKIPPED -> skipped++;
        case FAILED -> {
          failed++;
          if (errors.size() < ERRORS_SHOWN) {
            errors.add(row.docId() + ": " + row.error());
          }
        }
      }
    }
  }

  /**
   * Whether more documents failed than are allowed. All documents of the input count, those
   * finished by earlier runs too, so that repeating a command does not change the verdict on its
   * last few failures.
   */
  boolean errorRateExceeded() {
    return failed > maxErrorRate * all;
  }

  /** Measured over predicted seconds; 1 before the first pre-fill. */
  double slowness() {
    return predictedSeconds > 0 && measuredSeconds > 0 ? measuredSeconds / predictedSeconds : 1;
  }

  /** The first few errors, one line each. */
  List<String> errors() {
    return List.copyOf(errors);
  }

  RunSummary summary(String runId, double seconds, String output) {
    long left = all - doneBefore - ok - failed - skipped;
    return new RunSummary(
        runId, ok, failed, skipped, doneBefore, left, tokens, seconds, output, errorRateExceeded());
  }
}
