package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.CostModel;
import io.sparsefill.udf.model.ModelConfig;
import java.nio.file.Path;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

/** Oracle: the operations of the bundled model, counted by hand from its config.json. */
class CostEstimateTest {
  private static final ModelConfig MODEL =
      ModelConfig.read(
          Path.of(System.getProperty("sparsefill.root"), "conf", "models", "needle-2m"));

  @Test
  void countsTheOperationsOfEveryLayer() {
    CostModel dense = CostEstimate.of(MODEL, "dense", 1);
    // 4 layers, 4 query and 2 KV heads of 64, hidden 192, MLP 512: 2 operations for each weight.
    double weights = 192 * (4 + 2 + 2) * 64 + 4 * 64 * 192 + 3 * 192 * 512;
    assertThat(dense.perToken() * 50e9).isCloseTo(2 * 4 * weights, Percentage.withPercentage(1e-9));
    // A score and a weighted value, 2 operations each for 4 x 64 dimensions, half of all pairs.
    double pair = 4 * (2 + 2) * 64 / 2.0;
    assertThat(dense.perTokenSquared() * 15e9).isCloseTo(4 * pair, Percentage.withPercentage(1e-9));
  }

  @Test
  void threadsShareTheWorkAndSparseAttentionIsLess() {
    CostModel dense = CostEstimate.of(MODEL, "dense", 1);
    CostModel two = CostEstimate.of(MODEL, "dense", 2);
    assertThat(two.perToken()).isEqualTo(dense.perToken() / 2);
    assertThat(two.perTokenSquared()).isEqualTo(dense.perTokenSquared() / 2);
    CostModel sparse = CostEstimate.of(MODEL, "minference", 1);
    assertThat(sparse.perToken()).isEqualTo(dense.perToken());
    assertThat(sparse.perTokenSquared()).isLessThan(dense.perTokenSquared());
  }
}
