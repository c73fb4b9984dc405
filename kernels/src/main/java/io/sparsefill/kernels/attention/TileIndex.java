package io.sparsefill.kernels.attention;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.TileKeys;
import java.util.Arrays;
import java.util.List;

/**
 * Which scores one attention computes, for all heads of a layer: per (head, query tile of 64 rows)
 * a list of runs of key tiles and a list of single key columns, in CSR form.
 *
 * <p>A run is a start key, aligned or not, and a number of 64-key tiles that follow each other from
 * there. So the dense case is one run for each query tile, a slash line is one tile that starts
 * where the line enters the query tile, and the index stays small whatever the density is. Runs of
 * a query tile ascend and do not overlap; no column lies inside a run. Every key tile begins before
 * key T, so backends need 63 keys of padding. Causality (and a sliding window) is masked by the
 * operator.
 *
 * <p>MInference's own index (csrc/vertical_slash_index.cu) lists every tile; its coverage is the
 * same.
 */
public final class TileIndex {
  /** Rows of a query tile and keys of a key tile (MInference's BLOCK_M and BLOCK_N). */
  public static final int TILE = 64;

  private final AttentionShape shape;
  private final int firstTile;
  private final int sparseHeads;
  private final int[] runOffset;
  private final int[] runStart;
  private final int[] runTiles;
  private final int[] columnOffset;
  private final int[] columns;

  private TileIndex(
      AttentionShape shape,
      int firstTile,
      int sparseHeads,
      int[] runOffset,
      int[] runStart,
      int[] runTiles,
      int[] columnOffset,
      int[] columns) {
    this.shape = shape;
    this.firstTile = firstTile;
    this.sparseHeads = sparseHeads;
    this.runOffset = runOffset;
    this.runStart = runStart;
    this.runTiles = runTiles;
    this.columnOffset = columnOffset;
    this.columns = columns;
  }

  /**
   * Joins the heads' lists.
   *
   * @param firstTile first query tile that is computed; the ones before it have no entries
   * @param heads one entry for each query head
   */
  public static TileIndex of(AttentionShape shape, int firstTile, List<HeadTiles> heads) {
    if (heads.size() != shape.heads()) {
      throw new IllegalArgumentException(
          "Tile index for %d heads, but the attention has %d"
              .formatted(heads.size(), shape.heads()));
    }
    int queryTiles = tiles(shape.tokens()) - firstTile;
    long runs = 0;
    long singles = 0;
    int sparse = 0;
    for (HeadTiles head : heads) {
      if (head.rows() != queryTiles) {
        throw new IllegalArgumentException(
            "Tile index of a head has %d query tiles, but %d are expected"
                .formatted(head.rows(), queryTiles));
      }
      runs += head.runCount();
      singles += head.columnCount();
      sparse += head.sparse() ? 1 : 0;
    }
    if (Math.max(runs, singles) > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "Cannot index %,d tokens and %d heads: %,d runs and %,d columns are more than an array holds; use smaller pattern sizes"
              .formatted(shape.tokens(), heads.size(), runs, singles));
    }
    int[] runOffset = new int[queryTiles * heads.size() + 1];
    int[] runStart = new int[(int) runs];
    int[] runTiles = new int[(int) runs];
    int[] columnOffset = new int[queryTiles * heads.size() + 1];
    int[] columns = new int[(int) singles];
    int row = 0;
    for (HeadTiles head : heads) {
      head.copyTo(row, runOffset, runStart, runTiles, columnOffset, columns);
      row += queryTiles;
    }
    TileIndex index =
        new TileIndex(
            shape, firstTile, sparse, runOffset, runStart, runTiles, columnOffset, columns);
    index.checkKeys();
    return index;
  }

  /** Runs and columns ascend, so the last ones of each query tile decide. */
  private void checkKeys() {
    int tokens = shape.tokens();
    for (int row = 0; row + 1 < runOffset.length; row++) {
      int run = runOffset[row + 1] - 1;
      int column = columnOffset[row + 1] - 1;
      boolean runInside =
          run < runOffset[row] || runStart[run] + (runTiles[run] - 1) * TILE < tokens;
      boolean columnInside = column < columnOffset[row] || columns[column] < tokens;
      if (!runInside || !columnInside) {
        throw new IllegalArgumentException(
            "Tile index of head %d, query tile %d: a key tile or column begins behind the last of %d keys"
                .formatted(row / queryTiles(), firstTile + row % queryTiles(), tokens));
      }
    }
  }

  /** Number of tiles that cover {@code tokens} rows or keys. */
  public static int tiles(int tokens) {
    return (tokens + TILE - 1) / TILE;
  }

  /** Score tiles of dense causal attention over all heads, from {@code firstTile} on. */
  public static long causalTiles(AttentionShape shape, int firstTile) {
    long last = tiles(shape.tokens());
    return shape.heads() * (last * (last + 1) / 2 - (long) firstTile * (firstTile + 1) / 2);
  }

  /** The attention that this index belongs to. */
  public AttentionShape shape() {
    return shape;
  }

  /** First query tile that is computed. */
  public int firstTile() {
    return firstTile;
  }

  /** Query tiles that are computed, for each head. */
  public int queryTiles() {
    return tiles(shape.tokens()) - firstTile;
  }

  private int row(int head, int tile) {
    return head * queryTiles() + tile - firstTile;
  }

  /** Position of the first run of (head, query tile); the last one ends before {@code runsEnd}. */
  public int runsBegin(int head, int tile) {
    return runOffset[row(head, tile)];
  }

  /** One past the position of the last run of (head, query tile). */
  public int runsEnd(int head, int tile) {
    return runOffset[row(head, tile) + 1];
  }

  /** First key of the run at a position. */
  public int runStart(int position) {
    return runStart[position];
  }

  /** Number of 64-key tiles of the run at a position. */
  public int runTiles(int position) {
    return runTiles[position];
  }

  /** Position of the first column of (head, query tile). */
  public int columnsBegin(int head, int tile) {
    return columnOffset[row(head, tile)];
  }

  /** One past the position of the last column of (head, query tile). */
  public int columnsEnd(int head, int tile) {
    return columnOffset[row(head, tile) + 1];
  }

  /** The key of the column at a position. */
  public int column(int position) {
    return columns[position];
  }

  /**
   * Score tiles of one (head, query tile): its key tiles, and its columns gathered 64 at a time.
   */
  public int tilesOf(int head, int tile) {
    int row = row(head, tile);
    int count = tiles(columnOffset[row + 1] - columnOffset[row]);
    for (int run = runOffset[row]; run < runOffset[row + 1]; run++) {
      count += runTiles[run];
    }
    return count;
  }

  /** Score tiles of each head [H]; columns count 64 to a tile. */
  public long[] headTiles() {
    long[] counts = new long[shape.heads()];
    for (int head = 0; head < counts.length; head++) {
      for (int tile = firstTile; tile < firstTile + queryTiles(); tile++) {
        counts[head] += tilesOf(head, tile);
      }
    }
    return counts;
  }

  /** The keys of one (head, query tile). */
  public TileKeys keys(int head, int tile) {
    int row = row(head, tile);
    return new TileKeys(
        Arrays.copyOfRange(runStart, runOffset[row], runOffset[row + 1]),
        Arrays.copyOfRange(runTiles, runOffset[row], runOffset[row + 1]),
        Arrays.copyOfRange(columns, columnOffset[row], columnOffset[row + 1]));
  }

  /** Score tiles over all heads; columns count 64 to a tile. */
  public long computedTiles() {
    long count = 0;
    for (int tiles : runTiles) {
      count += tiles;
    }
    for (int row = 0; row + 1 < columnOffset.length; row++) {
      count += tiles(columnOffset[row + 1] - columnOffset[row]);
    }
    return count;
  }

  /** Score tiles that dense causal attention computes for the same queries and heads. */
  public long causalTiles() {
    return causalTiles(shape, firstTile);
  }

  /** Heads whose index is not the dense one. */
  public int sparseHeads() {
    return sparseHeads;
  }
}
