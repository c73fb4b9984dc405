package io.sparsefill.kernels.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.HeadPattern;
import org.junit.jupiter.api.Test;

/** Choices by hand-made scores. */
class BandSelectionTest {
  private static final int TOKENS = 1024;

  private final float[] columns = new float[TOKENS];
  private final float[] slash = new float[TOKENS];

  private void diagonal(int distance, double score) {
    slash[TOKENS - 1 - distance] = (float) score;
  }

  /** Oracle: a diagonal between two bands is shared by them as by the key tiles it crosses. */
  @Test
  void aBandHoldsOfADiagonalWhatItsTileShares() {
    diagonal(64 * 5 + 10, 1);
    diagonal(64 * 9 + 40, 1);
    columns[700] = 1;
    LineSelection lines =
        new BandSelection(columns, slash).of(new HeadPattern.VerticalSlash(31, 64 * 4));
    // Shares: band 5 54 / 64, band 6 10 / 64, band 9 24 / 64, band 10 40 / 64; two are forced.
    assertThat(lines.distances()).containsExactly(64 * 10, 64 * 5, 64, 0);
    assertThat(lines.verticals()).hasSize(31).contains(0, 29, 700);
  }

  @Test
  void shortDocumentsHaveWhatThereIs() {
    for (int tokens : new int[] {1, 29, 64, 65, 130}) {
      float[] none = new float[tokens];
      HeadPattern.VerticalSlash sizes = new HeadPattern.VerticalSlash(1000, 6096);
      LineSelection all = new BandSelection(none, none).of(sizes);
      assertThat(all.verticals()).hasSize(tokens);
      assertThat(all.distances()).hasSize(TileIndex.tiles(tokens)).endsWith(0);
    }
  }
}
