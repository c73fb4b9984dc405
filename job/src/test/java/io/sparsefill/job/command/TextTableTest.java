package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

/** Alignment of text tables; the oracle is the text written here. */
class TextTableTest {
  @Test
  void numbersStandRightAndTextLeft() {
    assertThat(new TextTable("name", "tokens").row("a", "5").row("longer", "1,234"))
        .hasToString(
            """
            name    tokens
            --------------
            a            5
            longer   1,234""");
  }

  @Test
  void rowOfAnotherWidthIsRefused() {
    assertThatThrownBy(() -> new TextTable("a", "b").row("x"))
        .hasMessageContaining("1 cells")
        .hasMessageContaining("2 columns");
  }
}
