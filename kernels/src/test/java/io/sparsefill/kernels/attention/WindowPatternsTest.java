package io.sparsefill.kernels.attention;

import static io.sparsefill.kernels.attention.TileIndex.TILE;
import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.DenseMaskOracle;
import io.sparsefill.kernels.HeadPattern;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Tri-shape and dilated windows against masks by brute force: every (query tile, key) is asked for
 * by the definition, and named exactly then, as far as some query of the tile sees it.
 */
class WindowPatternsTest {
  private static final int[] LENGTHS = {1, 2, 63, 64, 65, 127, 129, 330, 1000};
  private static final int[] WINDOWS = {0, 1, 48, 64, 100, 2000};

  /** Whether the definition asks for a key in a query tile. */
  private interface Wanted {
    boolean test(int tile, int key);
  }

  private static AttentionShape shape(int tokens, int window) {
    return new AttentionShape(tokens, 1, 1, 64, 1, window);
  }

  private static void assertNames(AttentionShape shape, HeadTiles tiles, Wanted wanted) {
    TileIndex index = TileIndex.of(shape, 0, List.of(tiles));
    assertThat(index.sparseHeads()).isEqualTo(1);
    for (int m = 0; m < index.queryTiles(); m++) {
      boolean[] named = DenseMaskOracle.named(index, 0, m);
      int last = Math.min(shape.tokens(), (m + 1) * TILE) - 1;
      for (int key = shape.firstKey(m * TILE); key <= last; key++) {
        assertThat(named[key])
            .as("%s: query tile %d, key %d", shape, m, key)
            .isEqualTo(wanted.test(m, key));
      }
    }
  }

  /** Whole tiles: the query tile's own, and those with a key that its first query is near to. */
  private static boolean inWindow(int m, int key, int local) {
    int lastOfTile = (key / TILE + 1) * TILE - 1;
    return key / TILE == m || m * TILE - lastOfTile < local;
  }

  @Test
  void triShapeIsAShapeWithAllKeysForTheLastQueries() {
    int[][] sizes = {
      {0, 1, 1}, {1, 64, 64}, {64, 65, 100}, {100, 200, 1}, {10, 3000, 5}, {5, 5, 9999}
    };
    for (int tokens : LENGTHS) {
      for (int window : WINDOWS) {
        for (int[] size : sizes) {
          HeadPattern.TriShape pattern = new HeadPattern.TriShape(size[0], size[1], size[2]);
          AttentionShape shape = shape(tokens, window);
          assertNames(
              shape,
              IndexBuilders.triShape(shape, 0, pattern),
              (m, key) -> {
                boolean lastQueries = false;
                for (int q = m * TILE; q < Math.min(tokens, (m + 1) * TILE); q++) {
                  lastQueries |= q >= tokens - pattern.last();
                }
                return lastQueries
                    || key / TILE < TileIndex.tiles(pattern.initial())
                    || inWindow(m, key, pattern.local());
              });
        }
      }
    }
  }

  @Test
  void aTriShapeWithoutEarlierQueriesIsDense() {
    AttentionShape shape = shape(500, 0);
    HeadTiles tiles = IndexBuilders.triShape(shape, 0, new HeadPattern.TriShape(0, 1, 500));
    assertThat(tiles.computedTiles()).isEqualTo(IndexBuilders.dense(shape, 0).computedTiles());
  }

  @Test
  void dilatedWindowsTakeEverySecondKeyBehindTheWindow() {
    int[][] sizes = {
      {0, 0, 1},
      {0, 0, 64},
      {1, 0, 300},
      {64, 65, 100},
      {100, 200, 301},
      {10, 3000, 5},
      {5, 5, 9999}
    };
    for (int tokens : LENGTHS) {
      for (int window : WINDOWS) {
        for (int[] size : sizes) {
          HeadPattern.Dilated pattern = new HeadPattern.Dilated(size[0], size[1], size[2]);
          AttentionShape shape = shape(tokens, window);
          assertNames(
              shape,
              IndexBuilders.dilated(shape, 0, pattern),
              (m, key) -> {
                int distance = m * TILE - key;
                boolean dilated =
                    distance < pattern.local() + pattern.dilated() && key % 2 == m % 2;
                return dilated
                    || key / TILE < TileIndex.tiles(pattern.initial())
                    || inWindow(m, key, pattern.local());
              });
        }
      }
    }
  }

  /** Oracle: the lists of the full index. */
  @Test
  void laterQueryTilesHaveTheListsOfTheFullIndex() {
    AttentionShape shape = shape(1000, 0);
    HeadPattern.TriShape triShape = new HeadPattern.TriShape(70, 130, 100);
    HeadPattern.Dilated window = new HeadPattern.Dilated(70, 130, 300);
    for (int from : new int[] {1, 7, 15}) {
      assertLater(
          shape,
          from,
          IndexBuilders.triShape(shape, 0, triShape),
          IndexBuilders.triShape(shape, from, triShape));
      assertLater(
          shape,
          from,
          IndexBuilders.dilated(shape, 0, window),
          IndexBuilders.dilated(shape, from, window));
    }
  }

  private static void assertLater(
      AttentionShape shape, int from, HeadTiles fullTiles, HeadTiles laterTiles) {
    TileIndex full = TileIndex.of(shape, 0, List.of(fullTiles));
    TileIndex later = TileIndex.of(shape, from, List.of(laterTiles));
    for (int m = from; m < TileIndex.tiles(shape.tokens()); m++) {
      assertThat(DenseMaskOracle.named(later, 0, m)).isEqualTo(DenseMaskOracle.named(full, 0, m));
      assertThat(later.tilesOf(0, m)).isEqualTo(full.tilesOf(0, m));
    }
  }

  /** Oracle: counted by hand. Half of the dilated keys are computed, 64 of them as one tile. */
  @Test
  void dilationHalvesTheTiles() {
    AttentionShape shape = shape(64 * 100, 0);
    TileIndex index =
        TileIndex.of(
            shape,
            0,
            List.of(IndexBuilders.dilated(shape, 0, new HeadPattern.Dilated(64, 0, 2048))));
    // The sink, its own, and 1,024 columns less those that are its own tile's.
    assertThat(index.tilesOf(0, 99)).isEqualTo(1 + 1 + 16);
    assertThat(index.columnsEnd(0, 99) - index.columnsBegin(0, 99)).isEqualTo(1024);
  }
}
