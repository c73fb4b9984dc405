package io.sparsefill.kernels.attention;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;

/**
 * The index builders: one head's pattern, and what its estimate selected, to runs of key tiles and
 * columns. They know nothing of queries and keys, so every backend that estimates on the host
 * shares them.
 *
 * <p>With a sliding window, tiles and columns that no query of the tile may see are left out.
 */
public final class IndexBuilders {
  private IndexBuilders() {}

  /** Every causal tile: one run for each query tile. */
  public static HeadTiles dense(AttentionShape shape, int firstTile) {
    return all(shape, firstTile, false);
  }

  /** Every causal tile, for an operator that chooses among the scores of each query. */
  public static HeadTiles topKeys(AttentionShape shape, int firstTile) {
    return all(shape, firstTile, true);
  }

  private static HeadTiles all(AttentionShape shape, int firstTile, boolean sparse) {
    HeadTiles head = new HeadTiles(sparse);
    for (int m = firstTile; m < TileIndex.tiles(shape.tokens()); m++) {
      int start = shape.firstKey(m * TILE) / TILE;
      head.run(start * TILE, m + 1 - start);
      head.endTile(m * TILE);
    }
    return head;
  }

  /**
   * The first {@code initial} keys and distances below {@code local}, in whole tiles (MInference
   * ops/streaming_kernel.py cuts both exactly; whole tiles cost the same and keep more).
   */
  public static HeadTiles aShape(AttentionShape shape, int firstTile, HeadPattern.AShape pattern) {
    int tiles = TileIndex.tiles(shape.tokens());
    return streaming(shape, firstTile, pattern.initial(), pattern.local(), tiles);
  }

  /** A-shape, with every key for the query tiles that hold one of the last queries. */
  public static HeadTiles triShape(
      AttentionShape shape, int firstTile, HeadPattern.TriShape pattern) {
    int allFrom = firstTileOfLast(pattern, shape.tokens());
    return streaming(shape, firstTile, pattern.initial(), pattern.local(), allFrom);
  }

  /** The first query tile that sees every key: the one with the first of the last queries. */
  public static int firstTileOfLast(HeadPattern.TriShape pattern, int tokens) {
    return Math.max(0, tokens - pattern.last()) / TILE;
  }

  private static HeadTiles streaming(
      AttentionShape shape, int firstTile, int initial, int local, int allFrom) {
    HeadTiles head = new HeadTiles(true);
    for (int m = firstTile; m < TileIndex.tiles(shape.tokens()); m++) {
      int window = m < allFrom ? firstOfWindow(shape, m, local) : firstVisible(shape, m);
      addInitial(head, shape, m, initial, window);
      head.run(window * TILE, m + 1 - window);
      head.endTile(m * TILE);
    }
    return head;
  }

  /**
   * The first {@code initial} keys and distances below {@code local} in whole tiles, and of the
   * {@code dilated} distances behind those every second key as columns: even keys for even query
   * tiles, odd ones for odd tiles. Distances are those of a query tile's first query.
   */
  public static HeadTiles dilated(
      AttentionShape shape, int firstTile, HeadPattern.Dilated pattern) {
    HeadTiles head = new HeadTiles(true);
    long reach = (long) pattern.local() + pattern.dilated();
    for (int m = firstTile; m < TileIndex.tiles(shape.tokens()); m++) {
      int row = m * TILE;
      int window = firstOfWindow(shape, m, pattern.local());
      int initialTiles = addInitial(head, shape, m, pattern.initial(), window);
      int oldest = (int) Math.max(row - reach + 1, shape.firstKey(row));
      int first = Math.max(initialTiles * TILE, oldest);
      for (int key = first + (first + m) % 2; key < window * TILE; key += 2) {
        head.column(key);
      }
      head.run(window * TILE, m + 1 - window);
      head.endTile(row);
    }
    return head;
  }

  /**
   * The first keys, retrieved blocks and the local window, all of whole tiles.
   *
   * @param chosen chosen[m - firstTile] are the blocks of query tile m, ascending
   */
  public static HeadTiles retrieved(Retrieval retrieval, int firstTile, int[][] chosen) {
    AttentionShape shape = retrieval.shape();
    HeadTiles head = new HeadTiles(true);
    for (int m = firstTile; m < TileIndex.tiles(shape.tokens()); m++) {
      int visible = firstVisible(shape, m);
      addRun(head, visible, Math.min(retrieval.initialTiles(), m + 1));
      for (int block : chosen[m - firstTile]) {
        int tile = retrieval.firstTileOf(block);
        addRun(head, Math.max(visible, tile), tile + Retrieval.BLOCK_TILES);
      }
      addRun(head, Math.max(visible, retrieval.firstTileOf(retrieval.blocks(m))), m + 1);
      head.endTile(m * TILE);
    }
    return head;
  }

  private static void addRun(HeadTiles head, int from, int end) {
    if (from < end) {
      head.run(from * TILE, end - from);
    }
  }

  /** The first key tile that some query of a query tile sees. */
  private static int firstVisible(AttentionShape shape, int m) {
    return shape.firstKey(m * TILE) / TILE;
  }

  /** The first key tile in which a query tile's first query has a distance below {@code local}. */
  private static int firstOfWindow(AttentionShape shape, int m, int local) {
    return Math.max(firstVisible(shape, m), Math.max(0, m * TILE - local + 1) / TILE);
  }

  /**
   * Adds the tiles of the first {@code initial} keys that lie before a window and are seen.
   *
   * @return where they end, in tiles
   */
  private static int addInitial(
      HeadTiles head, AttentionShape shape, int m, int initial, int window) {
    int visible = firstVisible(shape, m);
    int end = Math.min(TileIndex.tiles(initial), window);
    addRun(head, visible, end);
    return end;
  }

  /**
   * Chosen columns and diagonals. A diagonal of distance s crosses the query tile that begins at
   * row r in the 64 keys from r - s on: one tile, which may begin at any key. Walking the diagonals
   * from far to near, a tile is added where the ones before it end short (the coverage of
   * csrc/vertical_slash_index.cu); a column inside a tile is dropped.
   *
   * @param verticals chosen key columns, ascending
   * @param distances chosen distances (query minus key), descending; must end with 0
   */
  public static HeadTiles verticalSlash(
      AttentionShape shape, int firstTile, int[] verticals, int[] distances) {
    if (distances.length == 0 || distances[distances.length - 1] != 0) {
      throw new IllegalArgumentException("vertical-slash needs distance 0 among its slashes");
    }
    HeadTiles head = new HeadTiles(true);
    for (int m = firstTile; m < TileIndex.tiles(shape.tokens()); m++) {
      int row = m * TILE;
      int oldest = shape.firstKey(row);
      int vertical = 0;
      while (vertical < verticals.length && verticals[vertical] < oldest) {
        vertical++;
      }
      int end = 0;
      for (int distance : distances) {
        if (distance >= row + TILE) {
          continue;
        }
        int rangeStart = Math.max(row - distance, 0);
        // The last query tile may end with the document: a tile that begins behind it has no key.
        int rangeEnd = Math.min(rangeStart + TILE, shape.tokens());
        if (rangeEnd <= end || rangeEnd <= oldest) {
          continue;
        }
        int start = Math.max(rangeStart, end);
        for (; vertical < verticals.length && verticals[vertical] < start; vertical++) {
          if (verticals[vertical] >= end) {
            head.column(verticals[vertical]);
          }
        }
        head.run(start, 1);
        end = start + TILE;
      }
      head.endTile(row);
    }
    return head;
  }

  /**
   * Chosen key tiles of each query tile.
   *
   * @param chosen chosen[m - firstTile] are the key tiles of query tile m, ascending
   */
  public static HeadTiles blocks(AttentionShape shape, int firstTile, int[][] chosen) {
    HeadTiles head = new HeadTiles(true);
    for (int m = firstTile; m < TileIndex.tiles(shape.tokens()); m++) {
      for (int tile : chosen[m - firstTile]) {
        head.run(tile * TILE, 1);
      }
      head.endTile(m * TILE);
    }
    return head;
  }
}
