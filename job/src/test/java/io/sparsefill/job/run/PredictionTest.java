package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.CostFit;
import io.sparsefill.job.CostModel;
import io.sparsefill.job.output.Manifest;
import io.sparsefill.job.output.Throughput;
import io.sparsefill.job.output.Throughput.Measured;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Oracle: the rule by hand. */
class PredictionTest {
  private static final CostModel ASSUMED = new CostModel(1, 1, 1);
  private static final Map<String, String> NOW = Map.of("weights", "resident", "threads", "2");
  private static final String GPU = "cuda (NVIDIA H200, sm_90)";

  private static Measured measured(String device, String weights, int documents) {
    Map<String, String> conditions = new HashMap<>(NOW);
    conditions.put("weights", weights);
    conditions.put(Measured.DEVICE, device);
    return new Measured(conditions, new CostFit(new CostModel(documents, 0, 0), documents, 0.031));
  }

  private static Manifest.Run run(Measured... costs) {
    return new Manifest.Run(
        "r", "t", Map.of(), List.of(), new Throughput(List.of(costs), 90, 3, 100, 120, 30));
  }

  private static Prediction of(Manifest.Run... runs) {
    return Prediction.of(new CostEstimate(ASSUMED, "an A100"), List.of(runs), NOW);
  }

  @Test
  void withoutARunThatMeasuredTheAssumptionStaysAndSaysSo() {
    Manifest.Run old = new Manifest.Run("r", "t", Map.of(), List.of(), null);
    for (Prediction prediction : List.of(of(), of(old, run()))) {
      assertThat(prediction.cost()).isEqualTo(ASSUMED);
      assertThat(prediction.basis()).isEqualTo("assumed from the model's size, for an A100");
    }
  }

  @Test
  void theFitOfTheMostDocumentsCountsAndItsBasisIsTold() {
    Prediction prediction =
        of(
            run(measured(GPU, "resident", 30)),
            run(measured(GPU, "resident", 4_000)),
            run(measured(GPU, "resident", 2)));
    assertThat(prediction.cost().perToken()).isEqualTo(4_000);
    assertThat(prediction.basis())
        .isEqualTo(
            "fitted to 4,000 documents of an earlier run on " + GPU + ", median error 3.1 %");
  }

  @Test
  void otherConditionsAreNotTaken() {
    assertThat(of(run(measured(GPU, "stream", 500))).cost()).isEqualTo(ASSUMED);
    assertThat(
            of(run(measured(GPU, "stream", 500), measured(GPU, "resident", 3))).cost().perToken())
        .isEqualTo(3);
  }

  @Test
  void ofEqualRunsTheNewestCounts() {
    String other = "cuda (NVIDIA A100, sm_80)";
    assertThat(of(run(measured(GPU, "resident", 9)), run(measured(other, "resident", 9))).basis())
        .contains(other);
  }

  @Test
  void whatWasMeasuredSurvivesTheManifestAndAManifestWithoutItIsRead() throws IOException {
    Manifest manifest =
        new Manifest(
            Manifest.FORMAT_VERSION,
            "f",
            Map.of("layers", "1"),
            List.of(run(measured(GPU, "resident", 7))),
            List.of(),
            null);
    Manifest read = Manifest.parse(manifest.json(), "here");
    assertThat(read).isEqualTo(manifest);
    assertThat(manifest.json())
        .contains("\"median_relative_error\" : 0.031")
        .contains("\"per_token\" : 7.0");

    Manifest old =
        new Manifest(
            Manifest.FORMAT_VERSION,
            "f",
            Map.of(),
            List.of(new Manifest.Run("r", "t", Map.of(), List.of(), null)),
            List.of(),
            null);
    assertThat(old.json()).doesNotContain("throughput");
    assertThat(Manifest.parse(old.json(), "here")).isEqualTo(old);
  }

  @Test
  void idleSharesAreOfTasksAndOfSlots() {
    Throughput throughput = new Throughput(List.of(), 90, 3, 100, 120, 30);
    assertThat(throughput.idleInTasks()).isEqualTo(1 - 90.0 / 100);
    assertThat(throughput.idle()).isEqualTo(1 - 90.0 / 150);
    assertThat(new Throughput(List.of(), 0, 0, 0, 0, 0).idle()).isZero();
  }
}
