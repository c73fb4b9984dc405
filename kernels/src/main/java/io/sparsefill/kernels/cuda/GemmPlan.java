package io.sparsefill.kernels.cuda;

import java.util.List;

/**
 * How a product is cut into blocks: which tile each of them computes, and into how many parts k is
 * cut where the tiles alone would leave multiprocessors idle. The parts' sums pass through a
 * workspace of {@link #workspaceBytes}.
 *
 * @param tile index in the list of tiles
 * @param parts parts of k
 */
record GemmPlan(int tile, int parts) {
  /** Numbers of k in a slice, of which every part has at least one. */
  private static final int SLICE = 64;

  /** What the sums of the parts take for each multiprocessor at most. */
  private static final long BYTES_PER_MULTIPROCESSOR = 256 << 10;

  /** More parts cost more than they give. */
  private static final int MOST_PARTS = 8;

  /**
   * A tile and what its kernel costs, as measured on one GPU: only ratios count.
   *
   * @param rows rows of the output
   * @param cols columns of the output
   * @param resident blocks that a multiprocessor holds at once
   * @param slice microseconds for a slice when a multiprocessor holds one block
   * @param fullSlice microseconds for a slice when it holds {@code resident}
   */
  record Tile(int rows, int cols, int resident, double slice, double fullSlice) {
    /** Tiles of an output. */
    long count(long m, long n) {
      return ceil(m, rows) * ceil(n, cols);
    }

    private long bytes() {
      return (long) rows * cols * Float.BYTES;
    }
  }

  /** Microseconds that a block takes before its first and after its last slice. */
  private static final double BLOCK = 1;

  /** Microseconds until the last block of a tile knows that it is the last. */
  private static final double CUT = 4;

  /** Microseconds for each MiB of the parts' sums that it then adds. */
  private static final double SUMS = 40;

  /**
   * The cut that the costs favour.
   *
   * @param tiles the kernels' tiles
   * @param multiprocessors of the device
   * @param divided whether k may be cut
   */
  static GemmPlan of(
      List<Tile> tiles, int multiprocessors, long m, long n, long k, boolean divided) {
    GemmPlan best = null;
    double least = Double.POSITIVE_INFINITY;
    long slices = ceil(k, SLICE);
    for (int i = 0; i < tiles.size(); i++) {
      Tile tile = tiles.get(i);
      long count = tile.count(m, n);
      for (int wanted = 1; wanted <= (divided ? MOST_PARTS : 1); wanted++) {
        long share = ceil(slices, wanted);
        int parts = Math.toIntExact(ceil(slices, share));
        if (parts > 1 && count * parts * tile.bytes() > workspaceBytes(multiprocessors)) {
          break;
        }
        double cost = cost(tile, count * parts, multiprocessors, share, parts);
        if (cost < least) {
          least = cost;
          best = new GemmPlan(i, parts);
        }
      }
    }
    return best;
  }

  private static double cost(Tile tile, long blocks, int multiprocessors, long share, int parts) {
    long most = ceil(blocks, multiprocessors);
    long rounds = most / tile.resident;
    long rest = most % tile.resident;
    double slices = rounds * tile.fullSlice;
    if (rest > 0) {
      double added = tile.resident == 1 ? 0 : (tile.fullSlice - tile.slice) / (tile.resident - 1);
      slices += tile.slice + (rest - 1) * added;
    }
    double sums = parts == 1 ? 0 : CUT + parts * SUMS * tile.bytes() / (1 << 20);
    return share * slices + (rounds + (rest > 0 ? 1 : 0)) * BLOCK + sums;
  }

  /** Bytes for the sums of all parts of any product. */
  static long workspaceBytes(int multiprocessors) {
    return multiprocessors * BYTES_PER_MULTIPROCESSOR;
  }

  private static long ceil(long x, long step) {
    return (x + step - 1) / step;
  }
}
