package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.Sections.Known;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Oracle: the rules in {@link Sections}, by hand. */
class SectionsTest {
  /** Two engines with eight cores each, two of which read beside. */
  private static final Sections SECTIONS = new Sections(256, 16, 4, 2);

  @Test
  void whereNothingRunsBesideOrLittleIsThereEverythingIsReadAtOnce() {
    assertThat(new Sections(256, 16, 0, 2).endFirst(Known.NONE)).isEqualTo(256);
    assertThat(new Sections(128, 16, 4, 2).endFirst(Known.NONE)).isEqualTo(128);
    assertThat(new Sections(1, 16, 4, 2).endFirst(Known.NONE)).isEqualTo(1);
    assertThat(new Sections(0, 16, 4, 2).endFirst(Known.NONE)).isZero();
    assertThat(SECTIONS.endFirst(Known.NONE)).isEqualTo(16);
  }

  @Test
  void enginesWaitForMoreAsLongAsItTakesTwoPercentOfTheLeastTime() {
    // 128M tokens are 1280 s of two engines of 50,000 tokens/s, so 25.6 s may go by.
    long tokens = 16 * 500_000;
    assertThat(SECTIONS.endFirst(new Known(16, tokens, 10_000, 25.6))).isEqualTo(16);
    assertThat(SECTIONS.endFirst(new Known(16, tokens, 10_000, 20))).isEqualTo(16);
    assertThat(SECTIONS.endFirst(new Known(16, tokens, 10_000, 6.4))).isEqualTo(64);
    assertThat(SECTIONS.endFirst(new Known(16, tokens, 10_000, 1.7))).isEqualTo(256);
  }

  @Test
  void fewLongDocumentsArePackedWhenAllAreKnown() {
    assertThat(SECTIONS.endFirst(new Known(16, 16 * 500_000, 3_000_000, 100))).isEqualTo(16);
    assertThat(SECTIONS.endFirst(new Known(16, 16 * 500_000, 3_500_000, 100))).isEqualTo(256);
  }

  @Test
  void documentsThatAreDoneAreGoneThroughInGrowingSections() {
    List<Integer> ends = new ArrayList<>();
    for (int end = 16; end < 256; end = SECTIONS.endFirst(new Known(end, 0, 0, 1))) {
      ends.add(end);
    }
    assertThat(ends).containsExactly(16, 32, 64, 128);
  }

  @Test
  void besideWavesSectionsAreSmallAndTheLastTakesTheRest() {
    assertThat(SECTIONS.endNext(16, true)).isEqualTo(24);
    assertThat(SECTIONS.endNext(100, true)).isEqualTo(116);
    assertThat(SECTIONS.endNext(100, false)).isEqualTo(116);
    assertThat(SECTIONS.endNext(215, true)).isEqualTo(256);
    assertThat(SECTIONS.endNext(250, true)).isEqualTo(256);
    assertThat(new Sections(256, 16, 0, 2).endNext(16, true)).isEqualTo(256);
  }
}
