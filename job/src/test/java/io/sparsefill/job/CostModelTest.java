package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

/** Oracle: the arithmetic by hand. */
class CostModelTest {
  @Test
  void secondsAreTheSumOfThreeTerms() {
    // 2 s for the document, 0.1 s for 1,000 tokens, 0.003 s for their square.
    assertThat(new CostModel(1e-4, 3e-9, 2).seconds(1000))
        .isCloseTo(2.103, Percentage.withPercentage(1e-9));
  }

  @Test
  void nonsenseIsRefused() {
    assertThatThrownBy(() -> new CostModel(-1, 1, 1)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new CostModel(0, 0, 0)).hasMessageContaining("one must be above 0");
    assertThatThrownBy(() -> new CostModel(Double.NaN, 0, 1))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
