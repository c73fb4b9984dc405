package io.sparsefill.kernels;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.attention.HeadTiles;
import io.sparsefill.kernels.attention.IndexBuilders;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import java.util.function.Supplier;

/** Tile indexes of every kind for the attention tests: each builder, and masks no builder makes. */
final class RandomTiles {
  private RandomTiles() {}

  /** One index of each kind, every head with its own lines. */
  static Map<String, TileIndex> everyKind(AttentionShape shape, int firstTile, long seed) {
    Random random = new Random(seed);
    Map<String, TileIndex> kinds = new LinkedHashMap<>();
    kinds.put("dense", index(shape, firstTile, () -> IndexBuilders.dense(shape, firstTile)));
    kinds.put(
        "A-shape",
        index(
            shape,
            firstTile,
            () ->
                IndexBuilders.aShape(
                    shape,
                    firstTile,
                    new HeadPattern.AShape(random.nextInt(150), 1 + random.nextInt(200)))));
    kinds.put(
        "vertical-slash",
        index(
            shape,
            firstTile,
            () -> {
              int[] distances = subset(shape.tokens(), 0.1, random);
              for (int i = 0; i < distances.length / 2; i++) {
                int swap = distances[i];
                distances[i] = distances[distances.length - 1 - i];
                distances[distances.length - 1 - i] = swap;
              }
              return IndexBuilders.verticalSlash(
                  shape, firstTile, subset(shape.tokens(), 0.2, random), distances);
            }));
    kinds.put("blocks", index(shape, firstTile, () -> blocks(shape, firstTile, random)));
    kinds.put("random runs", index(shape, firstTile, () -> runs(shape, firstTile, random)));
    if (shape.window() == 0) {
      kinds.put("columns only", index(shape, firstTile, () -> columns(shape, firstTile, random)));
    }
    return kinds;
  }

  private static TileIndex index(AttentionShape shape, int firstTile, Supplier<HeadTiles> head) {
    List<HeadTiles> heads = new ArrayList<>();
    for (int h = 0; h < shape.heads(); h++) {
      heads.add(head.get());
    }
    return TileIndex.of(shape, firstTile, heads);
  }

  /** 0 and a random part of the other numbers below {@code limit}, ascending. */
  static int[] subset(int limit, double share, Random random) {
    TreeSet<Integer> chosen = new TreeSet<>(List.of(0));
    for (int i = 1; i < limit; i++) {
      if (random.nextDouble() < share) {
        chosen.add(i);
      }
    }
    return chosen.stream().mapToInt(Integer::intValue).toArray();
  }

  private static HeadTiles blocks(AttentionShape shape, int firstTile, Random random) {
    int tiles = TileIndex.tiles(shape.tokens());
    int[][] chosen = new int[tiles - firstTile][];
    for (int m = firstTile; m < tiles; m++) {
      TreeSet<Integer> row = new TreeSet<>(List.of(m));
      for (int tile : subset(m + 1, 0.5, random)) {
        row.add(tile);
      }
      chosen[m - firstTile] = row.stream().mapToInt(Integer::intValue).toArray();
    }
    return IndexBuilders.blocks(shape, firstTile, chosen);
  }

  /**
   * Runs that begin at any key, columns before, between and behind them, and a last run over the
   * query tile's own keys, so that every window has a key.
   */
  private static HeadTiles runs(AttentionShape shape, int firstTile, Random random) {
    HeadTiles head = new HeadTiles(true);
    for (int m = firstTile; m < TileIndex.tiles(shape.tokens()); m++) {
      int row = m * TILE;
      int end = 0;
      int last = Math.max(0, row - random.nextInt(TILE));
      while (end < last) {
        int start = end + random.nextInt(2 * TILE);
        int tiles = 1 + random.nextInt(2);
        if (start + tiles * TILE > last) {
          break;
        }
        columns(head, end, start, random);
        head.run(start, tiles);
        end = start + tiles * TILE;
      }
      columns(head, end, last, random);
      head.run(last, last + TILE < Math.min(row + TILE, shape.tokens()) ? 2 : 1);
      head.endTile(row);
    }
    return head;
  }

  /** Single keys only, some of them hidden from the tile's first queries by causality. */
  private static HeadTiles columns(AttentionShape shape, int firstTile, Random random) {
    HeadTiles head = new HeadTiles(true);
    for (int m = firstTile; m < TileIndex.tiles(shape.tokens()); m++) {
      head.column(0);
      columns(head, 1, Math.min(shape.tokens(), (m + 1) * TILE), random);
      head.endTile(m * TILE);
    }
    return head;
  }

  private static void columns(HeadTiles head, int from, int to, Random random) {
    for (int key = from; key < to; key++) {
      if (random.nextInt(4) == 0) {
        head.column(key);
      }
    }
  }
}
