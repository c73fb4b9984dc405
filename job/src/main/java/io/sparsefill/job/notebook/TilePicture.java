package io.sparsefill.job.notebook;

import io.sparsefill.kernels.TileKeys;
import io.sparsefill.kernels.attention.TileIndex;
import java.io.Serializable;
import java.util.BitSet;
import java.util.List;

/**
 * Which part of the causal scores one head computes, as a picture: a row of cells for some query
 * tiles, a column for as many key tiles.
 *
 * @param layer its layer
 * @param head the head
 * @param cellTokens queries, and keys, of a cell; a multiple of 64
 * @param share [query cell][key cell up to it], computed share of the keys that the tiles of 64
 *     queries see, 0 to 1
 */
@SuppressWarnings("ArrayRecordComponent") // looked at once, never compared
record TilePicture(int layer, int head, int cellTokens, float[][] share) implements Serializable {
  private static final long serialVersionUID = 1L;

  /** The most cells of a row: what a screen shows, and what a driver holds. */
  static final int MOST_CELLS = 256;

  private static final int TILE = TileIndex.TILE;

  /**
   * Draws.
   *
   * @param tokens T
   * @param keys of each query tile
   * @param mostCells the most cells of a row
   */
  static TilePicture of(int layer, int head, int tokens, List<TileKeys> keys, int mostCells) {
    int tiles = keys.size();
    int perCell = (tiles + mostCells - 1) / mostCells;
    int cells = (tiles + perCell - 1) / perCell;
    float[][] share = new float[cells][];
    for (int row = 0; row < cells; row++) {
      double[] computed = new double[row + 1];
      double[] causal = new double[row + 1];
      for (int m = row * perCell; m < Math.min(tiles, (row + 1) * perCell); m++) {
        int seen = Math.min(tokens, (m + 1) * TILE); // by the tile's last query
        BitSet marked = marked(keys.get(m), seen);
        for (int n = 0; n <= m; n++) {
          int end = Math.min(seen, (n + 1) * TILE);
          computed[n / perCell] += marked.get(n * TILE, end).cardinality();
          causal[n / perCell] += end - n * TILE;
        }
      }
      share[row] = new float[row + 1];
      for (int column = 0; column <= row; column++) {
        share[row][column] = (float) (computed[column] / causal[column]);
      }
    }
    return new TilePicture(layer, head, perCell * TILE, share);
  }

  /** Keys below {@code end} that a query tile computes. */
  private static BitSet marked(TileKeys keys, int end) {
    BitSet marked = new BitSet(end);
    for (int run = 0; run < keys.runStarts().length; run++) {
      int start = Math.min(end, keys.runStarts()[run]);
      marked.set(start, Math.min(end, start + keys.runTiles()[run] * TILE));
    }
    for (int column : keys.columns()) {
      if (column < end) {
        marked.set(column);
      }
    }
    return marked;
  }
}
