package io.sparsefill.job.run;

import io.sparsefill.job.CostFit;
import io.sparsefill.job.CostModel;
import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentSummary;
import io.sparsefill.job.output.Throughput.Measured;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Counts the documents of a run, as they become known and as they end, on the driver. */
final class Tally {
  private static final int ERRORS_SHOWN = 5;

  private final double maxErrorRate;
  private final CostModel cost;
  private final List<String> errors = new ArrayList<>();
  private final Map<String, List<CostFit.Sample>> byDevice = new TreeMap<>();
  private long all;
  private long doneBefore;
  private long ok;
  private long failed;
  private long skipped;
  private long tokens;

  /**
   * Of no documents yet.
   *
   * @param maxErrorRate failed documents over all of the input, above which the run ends
   * @param cost what documents are assumed to cost
   */
  Tally(double maxErrorRate, CostModel cost) {
    this.maxErrorRate = maxErrorRate;
    this.cost = cost;
  }

  /** Counts documents of the input that have become known. */
  void know(List<DocumentSummary> documents) {
    all += documents.size();
    doneBefore += documents.stream().filter(DocumentSummary::isDone).count();
  }

  /** Counts rows of documents that have ended. */
  void add(List<DocumentRow> rows) {
    for (DocumentRow row : rows) {
      switch (row.status()) {
        case OK, TRUNCATED -> {
          ok++;
          tokens += row.tokenCount();
          byDevice
              .computeIfAbsent(row.device(), device -> new ArrayList<>())
              .add(new CostFit.Sample(row.tokenCount(), row.prefillSeconds()));
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
   * Whether more documents failed than are allowed of those that are known. All documents count,
   * those finished by earlier runs too, so that repeating a command does not change the verdict on
   * its last few failures. It is final once the whole input is known.
   */
  boolean errorRateExceeded() {
    return failed > maxErrorRate * all;
  }

  /** The cost that was assumed before the first wave. */
  CostModel assumed() {
    return cost;
  }

  /** The cost of documents as far as this run knows it. */
  CostModel learnt() {
    List<CostFit.Sample> samples = byDevice.values().stream().flatMap(List::stream).toList();
    return samples.isEmpty() ? cost : CostFit.of(samples, cost).model();
  }

  /**
   * What the documents so far cost on each device.
   *
   * @param conditions what else decided their speed
   */
  List<Measured> costs(Map<String, String> conditions) {
    List<Measured> costs = new ArrayList<>();
    byDevice.forEach(
        (device, samples) -> {
          Map<String, String> all = new HashMap<>(conditions);
          all.put(Measured.DEVICE, device);
          costs.add(new Measured(all, CostFit.of(samples, cost)));
        });
    return costs;
  }

  /** The first few errors, one line each. */
  List<String> errors() {
    return List.copyOf(errors);
  }

  RunSummary summary(
      String runId, double seconds, Double idle, String output, long changed, Long gone) {
    long left = all - doneBefore - ok - failed - skipped;
    return new RunSummary(
        runId,
        ok,
        failed,
        skipped,
        doneBefore,
        left,
        tokens,
        seconds,
        idle,
        output,
        changed,
        gone,
        errorRateExceeded());
  }
}
