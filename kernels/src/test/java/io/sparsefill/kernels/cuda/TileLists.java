package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.attention.TileIndex;

/**
 * The lists of a tile index in the form that the attention kernels read.
 *
 * @param rows first run, number of runs, first column and number of columns of each query tile,
 *     head after head
 * @param runs first key and number of key tiles of each run
 * @param columns key of each column
 */
@SuppressWarnings("ArrayRecordComponent") // copied to the device or printed, never compared
record TileLists(int[] rows, int[] runs, int[] columns) {
  static TileLists of(TileIndex index) {
    int heads = index.shape().heads();
    int end = index.firstTile() + index.queryTiles();
    int[] rows = new int[4 * heads * index.queryTiles()];
    int at = 0;
    for (int head = 0; head < heads; head++) {
      for (int tile = index.firstTile(); tile < end; tile++) {
        rows[at++] = index.runsBegin(head, tile);
        rows[at++] = index.runsEnd(head, tile) - index.runsBegin(head, tile);
        rows[at++] = index.columnsBegin(head, tile);
        rows[at++] = index.columnsEnd(head, tile) - index.columnsBegin(head, tile);
      }
    }
    int[] runs = new int[2 * index.runsEnd(heads - 1, end - 1)];
    for (int run = 0; run < runs.length / 2; run++) {
      runs[2 * run] = index.runStart(run);
      runs[2 * run + 1] = index.runTiles(run);
    }
    int[] columns = new int[index.columnsEnd(heads - 1, end - 1)];
    for (int column = 0; column < columns.length; column++) {
      columns[column] = index.column(column);
    }
    return new TileLists(rows, runs, columns);
  }
}
