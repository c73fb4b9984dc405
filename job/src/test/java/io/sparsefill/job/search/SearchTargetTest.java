package io.sparsefill.job.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparsefill.job.run.UsageException;
import io.sparsefill.kernels.AttentionShape;
import org.junit.jupiter.api.Test;

/** Targets as shares of the causal tiles; the oracle is arithmetic by hand. */
class SearchTargetTest {
  private static AttentionShape shape(int tokens) {
    return new AttentionShape(tokens, 8, 2, 64, 0.125f, 0);
  }

  @Test
  void operationsOfTheCausalTilesAreAllOfThem() {
    // 16 query tiles, 136 causal tiles of 64 x 64, four operations for each of 64 dimensions.
    double all = 136.0 * 64 * 64 * 64 * 4;
    assertThat(new SearchTarget(null, all / 2).density(shape(1024))).isEqualTo(0.5);
    assertThat(new SearchTarget(0.2, null).density(shape(1024))).isEqualTo(0.2);
  }

  @Test
  void theDefaultIsWhatTheAShapeOfThePaperCosts() {
    // 512 query tiles, of which each computes 16 + 64 tiles or all that it sees.
    double tiles = 80 * 81 / 2 + (512 - 80) * 80;
    assertThat(new SearchTarget(null, null).density(shape(32_768)))
        .isCloseTo(tiles / (512 * 513 / 2), within(1e-12));
  }

  @Test
  void nothingAndEverythingAreNoTargets() {
    assertThatThrownBy(() -> new SearchTarget(null, null).density(shape(4096)))
        .isInstanceOf(UsageException.class)
        .hasMessageContaining("the default target, the cost of a-shape:1024:4096")
        .hasMessageContaining("at 4,096 tokens that is 1.000 of the causal tiles")
        .hasMessageEndingWith("give --density or --target-flops, or longer samples");
    assertThatThrownBy(() -> new SearchTarget(1.5, null).density(shape(4096)))
        .hasMessageContaining("Cannot search with --density 1.5");
    assertThatThrownBy(() -> new SearchTarget(null, 0.0).density(shape(4096)))
        .hasMessageContaining("Cannot search with --target-flops 0.0");
    assertThatThrownBy(() -> new SearchTarget(Double.NaN, null).density(shape(4096)))
        .hasMessageContaining("Cannot search with --density NaN");
    assertThatThrownBy(() -> new SearchTarget(0.1, 1e9))
        .hasMessageContaining("both --density and --target-flops");
  }
}
