package io.sparsefill.udf.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Which levels candidates are tried at; counted by hand. */
class BudgetTest {
  @Test
  void levelsAreRelativeToTheTargetWithoutThoseThatNothingReachesOrThatAreDense() {
    assertThat(Budget.of(0.25, 0.03, List.of(0.25, 0.5, 1.0, 2.0, 4.0), 0.128).levels())
        .as("0.125 is within the tolerance of the cheapest, 1 is dense")
        .containsExactly(0.125, 0.25, 0.5);
    assertThat(Budget.of(0.25, 0.03, List.of(2.0, 1.0), 0.2).levels()).containsExactly(0.25, 0.5);
    assertThat(Budget.of(0.35, 0.03, List.of(0.75, 1.5), 0.2).levels())
        .as("not 0.26249999999999996")
        .containsExactly(0.2625, 0.525);
  }

  @Test
  void oneLevelIsNotShared() {
    assertThat(Budget.of(0.1, 0.03, Budget.UNIFORM, 0.05).shared()).isFalse();
    assertThat(Budget.of(0.1, 0.03, Budget.UNIFORM, 0.05).levels()).containsExactly(0.1);
    assertThat(Budget.of(0.1, 0.03, Budget.ADAPTIVE, 0.05).shared()).isTrue();
  }

  @Test
  void levelsThatLeaveNoChoiceAreRefused() {
    assertThatThrownBy(() -> Budget.of(0.9, 0.03, Budget.ADAPTIVE, 0.8))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("Cannot share a density of 0.9000: the smallest patterns compute 0.8")
        .hasMessageContaining("only [0.9000] lie between");
    assertThatThrownBy(() -> Budget.of(0.1, 0.03, List.of(0.5, 2.0, 4.0), 0.08))
        .hasMessageContaining("of the levels [0.5, 2.0, 4.0]")
        .hasMessageContaining("only [0.2000, 0.4000]");
  }
}
