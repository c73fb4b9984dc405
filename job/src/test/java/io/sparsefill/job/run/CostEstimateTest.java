package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.CostModel;
import io.sparsefill.udf.model.ModelConfig;
import java.nio.file.Path;
import java.util.List;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Oracle: the operations of the bundled model, counted by hand from its config.json. */
class CostEstimateTest {
  private static final ModelConfig MODEL =
      ModelConfig.read(
          Path.of(System.getProperty("sparsefill.root"), "conf", "models", "needle-2m"));

  @Test
  void countsTheOperationsOfEveryLayer() {
    CostModel dense = CostEstimate.onCpu(MODEL, "dense", 1).cost();
    // 4 layers, 4 query and 2 KV heads of 64, hidden 192, MLP 512: 2 operations for each weight.
    double weights = 192 * (4 + 2 + 2) * 64 + 4 * 64 * 192 + 3 * 192 * 512;
    assertThat(dense.perToken() * 50e9).isCloseTo(2 * 4 * weights, Percentage.withPercentage(1e-9));
    // A score and a weighted value, 2 operations each for 4 x 64 dimensions, half of all pairs.
    double pair = 4 * (2 + 2) * 64 / 2.0;
    assertThat(dense.perTokenSquared() * 15e9).isCloseTo(4 * pair, Percentage.withPercentage(1e-9));
  }

  @Test
  void threadsShareTheWorkAndSparseAttentionIsLess() {
    CostModel dense = CostEstimate.onCpu(MODEL, "dense", 1).cost();
    CostModel two = CostEstimate.onCpu(MODEL, "dense", 2).cost();
    assertThat(two.perToken()).isEqualTo(dense.perToken() / 2);
    assertThat(two.perTokenSquared()).isEqualTo(dense.perTokenSquared() / 2);
    CostModel sparse = CostEstimate.onCpu(MODEL, "minference", 1).cost();
    assertThat(sparse.perToken()).isEqualTo(dense.perToken());
    assertThat(sparse.perTokenSquared()).isLessThan(dense.perTokenSquared());
  }

  /**
   * Oracle: what MInference publishes for Llama-3-8B on one A100 (experiments/README), dense by
   * FlashAttention-2 and sparse by its later kernel.
   */
  @ParameterizedTest
  @CsvSource({"100000, 24.88, 10.82", "300000, 169.6, 31.02", "1000000, 1765.6, 112.4"})
  void aGpuIsTakenForAnA100(int tokens, double dense, double sparse) {
    ModelConfig llama =
        new ModelConfig(
            "llama", 32, 4096, 32, 8, 128, 14336, 128256, 1e-5, false, false, false, null,
            List.of(), null, 1 << 20);
    assertThat(CostEstimate.onGpu(llama, "dense").cost().seconds(tokens))
        .isCloseTo(dense, Percentage.withPercentage(15));
    assertThat(CostEstimate.onGpu(llama, "minference").cost().seconds(tokens))
        .isCloseTo(sparse, Percentage.withPercentage(15));
    assertThat(CostEstimate.onGpu(llama, "dense").device()).isEqualTo("an A100");
  }
}
