package io.sparsefill.kernels.attention;

import static io.sparsefill.kernels.attention.TileIndex.TILE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.DenseMaskOracle;
import io.sparsefill.kernels.HeadPattern;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The index builders against brute force over (query, key) pairs. */
class IndexBuildersTest {
  private static final int[] LENGTHS = {1, 63, 64, 65, 127, 129, 330, 1000};
  private static final int[] WINDOWS = {0, 1, 48, 64, 100, 2000};

  private static AttentionShape shape(int tokens, int window) {
    return new AttentionShape(tokens, 1, 1, 64, 1, window);
  }

  private static TileIndex index(AttentionShape shape, int firstTile, HeadTiles head) {
    return TileIndex.of(shape, firstTile, List.of(head));
  }

  /** Whether a pattern asks for a score. */
  private interface Wanted {
    boolean test(int query, int key);
  }

  /** Every wanted pair that causality and the window show is named; the lists are in order. */
  private static void assertCovers(TileIndex index, Wanted wanted) {
    AttentionShape shape = index.shape();
    for (int m = index.firstTile(); m < TileIndex.tiles(shape.tokens()); m++) {
      boolean[] named = DenseMaskOracle.named(index, 0, m);
      for (int q = m * TILE; q < Math.min(shape.tokens(), (m + 1) * TILE); q++) {
        boolean sees = false;
        for (int key = shape.firstKey(q); key <= q; key++) {
          sees |= named[key];
          if (wanted.test(q, key) && !named[key]) {
            throw new AssertionError("%s misses query %d, key %d".formatted(shape, q, key));
          }
        }
        assertThat(sees).as("%s: query %d sees a key", shape, q).isTrue();
      }
      assertOrdered(index, m);
    }
    assertCounted(index);
  }

  private static void assertOrdered(TileIndex index, int m) {
    int tokens = index.shape().tokens();
    boolean[] inRun = new boolean[tokens + TILE];
    int end = -1;
    for (int run = index.runsBegin(0, m); run < index.runsEnd(0, m); run++) {
      int start = index.runStart(run);
      // A run that begins where the previous one ends would belong to it.
      assertThat(start).as("run of tile %d of %s", m, index.shape()).isGreaterThan(end);
      end = start + index.runTiles(run) * TILE;
      assertThat(end - TILE).isLessThan(tokens);
      Arrays.fill(inRun, start, end, true);
    }
    int previous = -1;
    for (int c = index.columnsBegin(0, m); c < index.columnsEnd(0, m); c++) {
      assertThat(index.column(c)).isGreaterThan(previous).isLessThan(tokens);
      assertThat(inRun[index.column(c)]).as("column inside a run").isFalse();
      previous = index.column(c);
    }
  }

  /** Oracle: key tiles counted one by one, columns 64 to a tile. */
  private static void assertCounted(TileIndex index) {
    int tiles = TileIndex.tiles(index.shape().tokens());
    long computed = 0;
    long causal = 0;
    for (int m = index.firstTile(); m < tiles; m++) {
      int ofTile = 0;
      for (int run = index.runsBegin(0, m); run < index.runsEnd(0, m); run++) {
        for (int t = 0; t < index.runTiles(run); t++) {
          ofTile++;
        }
      }
      for (int c = index.columnsBegin(0, m); c < index.columnsEnd(0, m); c += TILE) {
        ofTile++;
      }
      assertThat(index.tilesOf(0, m)).isEqualTo(ofTile);
      computed += ofTile;
      causal += m + 1;
    }
    assertThat(index.computedTiles()).isEqualTo(computed);
    assertThat(index.causalTiles()).isEqualTo(causal);
  }

  /** An index for later query tiles holds the same lists as those of the full one. */
  private static void assertSuffix(TileIndex later, TileIndex full) {
    for (int m = later.firstTile(); m < TileIndex.tiles(full.shape().tokens()); m++) {
      assertThat(keyLists(later, m)).as("tile %d", m).isEqualTo(keyLists(full, m));
    }
  }

  private static List<Integer> keyLists(TileIndex index, int m) {
    List<Integer> list = new ArrayList<>();
    for (int run = index.runsBegin(0, m); run < index.runsEnd(0, m); run++) {
      list.add(index.runStart(run));
      list.add(-index.runTiles(run));
    }
    for (int c = index.columnsBegin(0, m); c < index.columnsEnd(0, m); c++) {
      list.add(index.column(c));
    }
    return list;
  }

  @Test
  void denseNamesEveryVisiblePairInOneRun() {
    for (int tokens : LENGTHS) {
      for (int window : WINDOWS) {
        AttentionShape shape = shape(tokens, window);
        TileIndex full = index(shape, 0, IndexBuilders.dense(shape, 0));
        assertCovers(full, (q, key) -> true);
        assertThat(full.sparseHeads()).isZero();
        for (int m = 0; m < TileIndex.tiles(tokens); m++) {
          assertThat(full.runsEnd(0, m) - full.runsBegin(0, m)).isEqualTo(1);
        }
        if (window == 0) {
          assertThat(full.computedTiles()).isEqualTo(full.causalTiles());
        }
        int later = TileIndex.tiles(tokens) / 2;
        assertSuffix(index(shape, later, IndexBuilders.dense(shape, later)), full);
      }
    }
  }

  @Test
  void aShapeNamesTheFirstKeysAndTheNearestInWholeTiles() {
    int[][] sizes = {{0, 1}, {1, 64}, {64, 65}, {65, 1}, {100, 200}, {3000, 1}, {10, 3000}};
    for (int tokens : LENGTHS) {
      for (int window : WINDOWS) {
        for (int[] size : sizes) {
          AttentionShape shape = shape(tokens, window);
          HeadPattern.AShape pattern = new HeadPattern.AShape(size[0], size[1]);
          TileIndex full = index(shape, 0, IndexBuilders.aShape(shape, 0, pattern));
          assertCovers(full, (q, key) -> key < pattern.initial() || q - key < pattern.local());
          for (int m = 0; m < TileIndex.tiles(tokens); m++) {
            assertWholeTiles(full, m, pattern);
          }
          int later = TileIndex.tiles(tokens) / 2;
          assertSuffix(index(shape, later, IndexBuilders.aShape(shape, later, pattern)), full);
        }
      }
    }
  }

  /** Oracle: a key tile is named exactly when some pair in it is wanted and may be seen. */
  private static void assertWholeTiles(TileIndex index, int m, HeadPattern.AShape pattern) {
    AttentionShape shape = index.shape();
    boolean[] named = DenseMaskOracle.named(index, 0, m);
    for (int key = 0; key < shape.tokens(); key += TILE) {
      boolean wanted = false;
      for (int q = m * TILE; q < (m + 1) * TILE; q++) {
        for (int j = key; j < key + TILE; j++) {
          boolean visible = j <= q && j >= shape.firstKey(q);
          wanted |=
              visible && (j < TileIndex.tiles(pattern.initial()) * TILE || q - j < pattern.local());
        }
      }
      assertThat(named[key])
          .as("%s of %s: tile %d, key %d", pattern, shape, m, key)
          .isEqualTo(wanted);
    }
  }

  @Test
  void verticalSlashNamesEveryChosenLineWithTheFewestTiles() {
    Random random = new Random(2);
    for (int tokens : LENGTHS) {
      for (int window : WINDOWS) {
        for (double share : new double[] {0, 0.02, 0.3, 1}) {
          AttentionShape shape = shape(tokens, window);
          int[] verticals = chosen(tokens, share, random);
          int[] distances = chosen(tokens, share * random.nextDouble(), random);
          int[] descending =
              IntStream.range(0, distances.length)
                  .map(i -> distances[distances.length - 1 - i])
                  .toArray();
          TileIndex full =
              index(shape, 0, IndexBuilders.verticalSlash(shape, 0, verticals, descending));
          boolean[] vertical = flags(verticals, tokens);
          boolean[] slash = flags(distances, tokens);
          assertCovers(full, (q, key) -> vertical[key] || slash[q - key]);
          for (int m = 0; m < TileIndex.tiles(tokens); m++) {
            assertFewestTiles(full, m, distances);
            for (int c = full.columnsBegin(0, m); c < full.columnsEnd(0, m); c++) {
              assertThat(vertical[full.column(c)]).as("column is a chosen one").isTrue();
              assertThat(full.column(c)).as("columns need no causal mask").isLessThan(m * TILE);
            }
          }
          int later = TileIndex.tiles(tokens) / 2;
          assertSuffix(
              index(shape, later, IndexBuilders.verticalSlash(shape, later, verticals, descending)),
              full);
        }
      }
    }
  }

  /**
   * Oracle: the keys of all diagonals of the query tile as flags, covered from the left by tiles
   * that begin at the first key left over, which no cover can do with fewer.
   */
  private static void assertFewestTiles(TileIndex index, int m, int[] distances) {
    AttentionShape shape = index.shape();
    boolean[] needed = new boolean[shape.tokens()];
    for (int distance : distances) {
      int start = Math.max(0, m * TILE - distance);
      boolean causal = distance < (m + 1) * TILE;
      if (causal && start + TILE > shape.firstKey(m * TILE)) {
        Arrays.fill(needed, start, Math.min(shape.tokens(), start + TILE), true);
      }
    }
    List<Integer> tiles = new ArrayList<>();
    for (int key = 0; key < shape.tokens(); key++) {
      if (needed[key]) {
        tiles.add(key);
        key += TILE - 1;
      }
    }
    List<Integer> built = new ArrayList<>();
    for (int run = index.runsBegin(0, m); run < index.runsEnd(0, m); run++) {
      for (int t = 0; t < index.runTiles(run); t++) {
        built.add(index.runStart(run) + t * TILE);
      }
    }
    assertThat(built).as("tile %d of %s", m, shape).isEqualTo(tiles);
  }

  /** 0 and a random part of the numbers below {@code limit}, ascending. */
  private static int[] chosen(int limit, double share, Random random) {
    return IntStream.range(0, limit).filter(i -> i == 0 || random.nextDouble() < share).toArray();
  }

  private static boolean[] flags(int[] numbers, int limit) {
    boolean[] flags = new boolean[limit];
    Arrays.stream(numbers).forEach(i -> flags[i] = true);
    return flags;
  }

  @Test
  void blocksNameTheChosenTilesAlone() {
    Random random = new Random(4);
    for (int tokens : LENGTHS) {
      AttentionShape shape = shape(tokens, 0);
      int tiles = TileIndex.tiles(tokens);
      for (int firstTile : new int[] {0, tiles / 2}) {
        int[][] rows = new int[tiles - firstTile][];
        for (int m = firstTile; m < tiles; m++) {
          rows[m - firstTile] = chosen(m + 1, 0.4, random);
        }
        TileIndex index = index(shape, firstTile, IndexBuilders.blocks(shape, firstTile, rows));
        assertThat(index.firstTile()).isEqualTo(firstTile);
        for (int m = firstTile; m < tiles; m++) {
          boolean[] named = DenseMaskOracle.named(index, 0, m);
          boolean[] chosen = flags(rows[m - firstTile], tiles);
          for (int key = 0; key < tokens; key++) {
            assertThat(named[key]).isEqualTo(chosen[key / TILE]);
          }
          assertOrdered(index, m);
        }
        assertCounted(index);
      }
    }
  }

  @Test
  void verticalSlashNeedsTheMainDiagonal() {
    AttentionShape shape = shape(100, 0);
    for (int[] distances : new int[][] {{}, {5, 1}}) {
      assertThatThrownBy(() -> IndexBuilders.verticalSlash(shape, 0, new int[] {0}, distances))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("distance 0");
    }
  }
}
