package io.sparsefill.kernels.attention;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.HeadPattern;
import java.util.Arrays;

/**
 * Chooses columns and bands of diagonals by what they hold for what they cost. A band is what a key
 * tile holds that lies a whole number of tiles before its query tile: all pairs of a query and a
 * key of the two, whose distances spread over 127. Diagonals that are chosen one by one cost a key
 * tile each where they lie apart, and hold a 64th of it.
 */
final class BandSelection {
  /** Bands that are always chosen: the query tile's own keys, and those of the tile before. */
  private static final int FORCED = 2;

  private final float[] columns;
  private final float[] bands;

  /**
   * Scores.
   *
   * @param columns of each key [T]
   * @param slash of each diagonal [T]; index t is distance T - 1 - t
   */
  BandSelection(float[] columns, float[] slash) {
    this.columns = columns.clone();
    this.bands = bands(slash);
    Arrays.fill(
        this.columns,
        0,
        Math.min(LineSelection.FORCED_VERTICALS, columns.length),
        Float.POSITIVE_INFINITY);
    Arrays.fill(bands, 0, Math.min(FORCED, bands.length), Float.POSITIVE_INFINITY);
  }

  /** What a query of a tile finds in each band: of a diagonal as much as its tile shares. */
  private static float[] bands(float[] slash) {
    int tokens = slash.length;
    float[] bands = new float[TileIndex.tiles(tokens)];
    for (int band = 0; band < bands.length; band++) {
      int middle = band * TILE;
      double sum = 0;
      for (int s = Math.max(0, middle - TILE + 1); s < Math.min(tokens, middle + TILE); s++) {
        sum += (double) slash[tokens - 1 - s] * (TILE - Math.abs(s - middle)) / TILE;
      }
      bands[band] = (float) sum;
    }
    return bands;
  }

  /** As many columns and bands as a pattern has, S distances in S / 64 bands. */
  LineSelection of(HeadPattern.VerticalSlash sizes) {
    return selection(
        LineSelection.verticalCount(sizes, columns.length),
        bandCount(LineSelection.slashCount(sizes, columns.length)));
  }

  /** Bands for a number of distances. */
  static int bandCount(int distances) {
    return Math.max(FORCED, TileIndex.tiles(distances));
  }

  private LineSelection selection(int verticals, int bandCount) {
    int[] chosen = TopK.ascending(bands, bandCount);
    int[] distances = new int[chosen.length];
    for (int i = 0; i < chosen.length; i++) {
      distances[chosen.length - 1 - i] = chosen[i] * TILE;
    }
    return new LineSelection(TopK.ascending(columns, verticals), distances);
  }
}
