package io.sparsefill.kernels.cpu;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.attention.TopK;
import java.util.Arrays;

/**
 * The scores of one query tile with all its keys, of which each row keeps its largest: the oracle
 * top-k. Among equal scores the nearer keys win. Scratch of one thread, which grows with the
 * document: 64 rows of fp32.
 */
final class TopScores {
  private float[] scores = new float[0];
  private long[] keys = new long[0];
  private final long[] least = new long[TILE];
  private int width;

  /** Makes room for that many key tiles. */
  void begin(int tiles) {
    width = tiles * TILE;
    if (keys.length < width) {
      scores = new float[TILE * width];
      keys = new long[width];
    }
  }

  /** Takes the masked scores of the next key tile, [rows][64]. */
  void put(int tile, int rows, float[] s) {
    for (int r = 0; r < rows; r++) {
      System.arraycopy(s, r * TILE, scores, r * width + tile * TILE, TILE);
    }
  }

  /** Finds what each row keeps, when all key tiles are there. */
  void select(int rows, int kept) {
    for (int r = 0; r < rows; r++) {
      least[r] = TopK.least(scores, r * width, width, kept, keys);
    }
  }

  /**
   * Gives the scores of a key tile back, -infinity where a row keeps others. A NaN is kept, so that
   * it shows in the row's weight sum.
   *
   * @param padded rows that the arithmetic needs; those behind {@code rows} are 0
   * @return whether any is kept
   */
  boolean get(int tile, int rows, int padded, float[] s) {
    boolean any = false;
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < TILE; c++) {
        int i = tile * TILE + c;
        float score = scores[r * width + i];
        boolean keeps = TopK.key(score, i) >= least[r];
        s[r * TILE + c] = keeps ? score : Float.NEGATIVE_INFINITY;
        any |= keeps;
      }
    }
    Arrays.fill(s, rows * TILE, padded * TILE, 0f);
    return any;
  }
}
