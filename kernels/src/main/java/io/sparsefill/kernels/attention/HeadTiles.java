package io.sparsefill.kernels.attention;

import java.util.Arrays;

/**
 * The runs and columns of one head while its index is built, query tile after query tile: add the
 * runs and columns of a tile in ascending order, then {@link #endTile}.
 */
public final class HeadTiles {
  private final boolean sparse;
  private int rows;
  private int[] runEnd = new int[64];
  private int[] columnEnd = new int[64];
  private int[] runStart = new int[64];
  private int[] runTiles = new int[64];
  private int runs;
  private int[] columns = new int[64];
  private int columnTotal;

  /**
   * An empty list.
   *
   * @param sparse whether this head's pattern leaves scores out on purpose, for {@link
   *     TileIndex#sparseHeads}
   */
  public HeadTiles(boolean sparse) {
    this.sparse = sparse;
  }

  /**
   * Adds {@code tiles} key tiles which follow each other from key {@code start}; joins the previous
   * run of this query tile when it ends there.
   */
  public void run(int start, int tiles) {
    int first = rows == 0 ? 0 : runEnd[rows - 1];
    if (runs > first) {
      int end = runStart[runs - 1] + runTiles[runs - 1] * TileIndex.TILE;
      if (start < end) {
        throw new IllegalArgumentException(
            "Query tile %d: run at key %d overlaps the previous one, which ends at %d"
                .formatted(rows, start, end));
      }
      if (start == end) {
        runTiles[runs - 1] += tiles;
        return;
      }
    }
    if (runs == runStart.length) {
      runStart = Arrays.copyOf(runStart, 2 * runs);
      runTiles = Arrays.copyOf(runTiles, 2 * runs);
    }
    runStart[runs] = start;
    runTiles[runs] = tiles;
    runs++;
  }

  /** Adds one key column. */
  public void column(int key) {
    int first = rows == 0 ? 0 : columnEnd[rows - 1];
    if (columnTotal > first && columns[columnTotal - 1] >= key) {
      throw new IllegalArgumentException(
          "Query tile %d: column %d does not ascend after %d"
              .formatted(rows, key, columns[columnTotal - 1]));
    }
    if (columnTotal == columns.length) {
      columns = Arrays.copyOf(columns, 2 * columnTotal);
    }
    columns[columnTotal++] = key;
  }

  /**
   * Ends the current query tile.
   *
   * @param firstRow its first query: some run or column must begin at or before it, or that query
   *     would see no key
   */
  public void endTile(int firstRow) {
    int firstRun = rows == 0 ? 0 : runEnd[rows - 1];
    int firstColumn = rows == 0 ? 0 : columnEnd[rows - 1];
    boolean visible =
        (runs > firstRun && runStart[firstRun] <= firstRow)
            || (columnTotal > firstColumn && columns[firstColumn] <= firstRow);
    if (!visible) {
      throw new IllegalArgumentException(
          "Query tile %d: query %d would see no key".formatted(rows, firstRow));
    }
    if (rows == runEnd.length) {
      runEnd = Arrays.copyOf(runEnd, 2 * rows);
      columnEnd = Arrays.copyOf(columnEnd, 2 * rows);
    }
    runEnd[rows] = runs;
    columnEnd[rows] = columnTotal;
    rows++;
  }

  /** Score tiles of all query tiles added so far; columns count 64 to a tile. */
  public long computedTiles() {
    long count = 0;
    for (int i = 0; i < runs; i++) {
      count += runTiles[i];
    }
    for (int row = 0; row < rows; row++) {
      count += TileIndex.tiles(columnEnd[row] - (row == 0 ? 0 : columnEnd[row - 1]));
    }
    return count;
  }

  boolean sparse() {
    return sparse;
  }

  int rows() {
    return rows;
  }

  int runCount() {
    return runs;
  }

  int columnCount() {
    return columnTotal;
  }

  /**
   * Copies this head's lists behind those of the heads before it, whose rows end at {@code row}.
   */
  void copyTo(
      int row,
      int[] runOffset,
      int[] runStarts,
      int[] runLengths,
      int[] columnOffset,
      int[] columnKeys) {
    int runBase = runOffset[row];
    int columnBase = columnOffset[row];
    System.arraycopy(runStart, 0, runStarts, runBase, runs);
    System.arraycopy(runTiles, 0, runLengths, runBase, runs);
    System.arraycopy(columns, 0, columnKeys, columnBase, columnTotal);
    for (int r = 0; r < rows; r++) {
      runOffset[row + r + 1] = runBase + runEnd[r];
      columnOffset[row + r + 1] = columnBase + columnEnd[r];
    }
  }
}
