package io.sparsefill.job.notebook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparsefill.kernels.TileKeys;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Pictures of keys that were written down by hand. */
class TilePictureTest {
  private static final int[] NONE = {};

  private static TileKeys runs(int... starts) {
    return new TileKeys(starts, IntStream.of(starts).map(start -> 1).toArray(), NONE);
  }

  /** T = 160: the last tile has 32 tokens. Shares are counted by hand, key by key. */
  @Test
  void aCellIsTheShareOfItsKeysThatIsComputed() {
    List<TileKeys> keys =
        List.of(runs(0), new TileKeys(new int[] {40}, new int[] {1}, new int[] {3}), runs(32, 128));

    TilePicture picture = TilePicture.of(2, 5, 160, keys, 256);

    assertThat(picture.cellTokens()).isEqualTo(64);
    assertThat(picture.share().length).isEqualTo(3);
    assertThat(picture.share()[0]).containsExactly(1f);
    // keys 40 .. 103, and key 3
    assertThat(picture.share()[1]).containsExactly(25 / 64f, 40 / 64f);
    // keys 32 .. 95, and all 32 of the last tile, although its run reaches further
    assertThat(picture.share()[2]).containsExactly(0.5f, 0.5f, 1f);
    assertThat(picture.layer()).isEqualTo(2);
    assertThat(picture.head()).isEqualTo(5);
  }

  @Test
  void keysBehindTheTilesLastQueryAreNotDrawn() {
    TileKeys all = new TileKeys(new int[] {0}, new int[] {3}, NONE);
    TilePicture picture = TilePicture.of(0, 0, 192, List.of(all, all, all), 256);
    for (float[] row : picture.share()) {
      for (float share : row) {
        assertThat(share).isEqualTo(1);
      }
    }
  }

  /** Five tiles in at most three cells: two tiles a cell, the last cell holds one. */
  @Test
  void largeDocumentsHaveSeveralTilesInACell() {
    List<TileKeys> diagonal = IntStream.range(0, 5).mapToObj(tile -> runs(tile * 64)).toList();

    TilePicture picture = TilePicture.of(0, 0, 320, diagonal, 3);

    assertThat(picture.cellTokens()).isEqualTo(128);
    assertThat(picture.share().length).isEqualTo(3);
    // of the three causal tiles of a cell on the diagonal two are computed
    assertThat(picture.share()[0][0]).isCloseTo(2 / 3f, within(1e-6f));
    assertThat(picture.share()[1][1]).isCloseTo(2 / 3f, within(1e-6f));
    assertThat(picture.share()[2][2]).isEqualTo(1);
    assertThat(picture.share()[1][0]).isZero();
  }
}
