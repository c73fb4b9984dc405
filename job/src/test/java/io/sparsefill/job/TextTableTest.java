package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

/** Alignment of text tables; the oracle is the text written here. */
class TextTableTest {
  @Test
  void numbersStandRightAndTextLeft() {
    assertThat(
            new TextTable("name", "tokens", "where")
                .add("a", "5", "x")
                .add("line\nend \uD83D\uDE00", "1,234", "-"))
        .hasToString(
            """
            name        tokens  where
            -------------------------
            a                5  x
            line end \uD83D\uDE00   1,234  -""");
    assertThat(new TextTable("x", "diff").add("a", "1.2e-05").add("b", "3.4 MiB").lines())
        .containsExactly("x     diff", "----------", "a  1.2e-05", "b  3.4 MiB");
  }

  @Test
  void rowOfAnotherWidthIsRefused() {
    assertThatThrownBy(() -> new TextTable("a", "b").add("x"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("1 cells")
        .hasMessageContaining("2 columns");
  }
}
