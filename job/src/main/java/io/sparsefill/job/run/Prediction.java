package io.sparsefill.job.run;

import io.sparsefill.job.CostFit;
import io.sparsefill.job.CostModel;
import io.sparsefill.job.output.Manifest;
import io.sparsefill.job.output.Throughput;
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
   * @param runs of the output folder, oldest first; all have the model, attention, outputs and
   *     dtype of this one
   * @param conditions what decides the speed beside those, without the device
   * @param backend {@code --backend}; {@code auto} takes what the newest measured run ran on,
   *     because a driver cannot know the executors' devices
   */
  static Prediction of(
      CostModel assumed, List<Manifest.Run> runs, Map<String, String> conditions, String backend) {
    List<Measured> measured =
        runs.stream()
            .map(Manifest.Run::throughput)
            .filter(throughput -> throughput != null) // of a version that did not measure
            .map(Throughput::costs)
            .flatMap(List::stream)
            .filter(cost -> cost.conditions().entrySet().containsAll(conditions.entrySet()))
            .toList();
    String kind =
        backend.equals("auto") && !measured.isEmpty()
            ? kind(measured.get(measured.size() - 1))
            : backend;
    Measured best = null;
    for (Measured cost : measured) {
      boolean more = best == null || cost.fit().documents() >= best.fit().documents();
      if (kind(cost).equals(kind) && more) {
        best = cost;
      }
    }
    return best == null
        ? new Prediction(assumed, "assumed from the model's size, for CPU threads")
        : new Prediction(best.fit().model(), basis(best.fit(), device(best)));
  }

  private static String basis(CostFit fit, String device) {
    return String.format(
        Locale.ROOT,
        "fitted to %,d documents of an earlier run on %s, median error %.1f %%",
        fit.documents(),
        device,
        100 * fit.medianRelativeError());
  }

  /** {@code cpu} or {@code cuda}: a device's description begins with it. */
  private static String kind(Measured cost) {
    return device(cost).split("[ (]", 2)[0];
  }

  private static String device(Measured cost) {
    return cost.conditions().getOrDefault(Measured.DEVICE, "");
  }
}
