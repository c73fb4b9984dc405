package io.sparsefill.job.run;

import io.sparsefill.job.CostFit;
import io.sparsefill.job.CostModel;
import io.sparsefill.job.output.Manifest;
import io.sparsefill.job.output.Throughput.Measured;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What documents are predicted to cost, and on what that rests.
 *
 * @param cost seconds of a document
 * @param basis for people: {@code assumed from ...} or {@code fitted to ...}
 */
record Prediction(CostModel cost, String basis) {

  /**
   * The best that is known: what an earlier run over the same output measured under the same
   * conditions, or else the assumption. Of several runs, the one with the most documents counts,
   * and of equals the newest, so that a run of two late documents does not replace one of
   * thousands.
   *
   * @param assumed without any measurement
   * @param runs of the output folder, oldest first; all have the model, attention, outputs, dtype
   *     and backend of this one, but perhaps another device, which the basis names
   * @param conditions what decides the speed beside those
   */
  static Prediction of(
      CostEstimate assumed, List<Manifest.Run> runs, Map<String, String> conditions) {
    Measured best = null;
    for (Manifest.Run run : runs) {
      // A run of an earlier version measured nothing.
      List<Measured> costs = run.throughput() == null ? List.of() : run.throughput().costs();
      for (Measured cost : costs) {
        boolean same = cost.conditions().entrySet().containsAll(conditions.entrySet());
        if (same && (best == null || cost.fit().documents() >= best.fit().documents())) {
          best = cost;
        }
      }
    }
    return best == null
        ? new Prediction(assumed.cost(), "assumed from the model's size, for " + assumed.device())
        : new Prediction(
            best.fit().model(), basis(best.fit(), best.conditions().get(Measured.DEVICE)));
  }

  private static String basis(CostFit fit, String device) {
    return String.format(
        Locale.ROOT,
        "fitted to %,d documents of an earlier run on %s, median error %.1f %%",
        fit.documents(),
        device,
        100 * fit.medianRelativeError());
  }
}
