package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.AttentionCost;
import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.TileKeys;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.List;

/** A tile index together with the packed keys that it was built from, and the time that it took. */
final class CpuIndex implements AttentionIndex {
  private final TileIndex tiles;
  private final int[] kept;
  private final PackedKv kv;
  private final List<LineSelection> lines;
  private final Spent spent;

  /**
   * An index.
   *
   * @param kept how many keys of each query count, for each head; Integer.MAX_VALUE for all
   * @param lines of each head, null for a head without
   */
  CpuIndex(TileIndex tiles, int[] kept, PackedKv kv, List<LineSelection> lines) {
    this.tiles = tiles;
    this.kept = kept;
    this.kv = kv;
    this.lines = lines;
    this.spent = new Spent(tiles.computedTiles(), tiles.causalTiles(), tiles.sparseHeads());
  }

  TileIndex tiles() {
    return tiles;
  }

  int[] kept() {
    return kept;
  }

  PackedKv kv() {
    return kv;
  }

  /** Adds to the time that this index and its attention took. */
  void spend(long nanos) {
    spent.nanos += nanos;
  }

  @Override
  public AttentionCost cost() {
    return spent;
  }

  @Override
  public long[] headTiles() {
    return tiles.headTiles();
  }

  @Override
  public TileKeys keys(int head, int tile) {
    return tiles.keys(head, tile);
  }

  @Override
  public List<HeadPattern.GivenLines> lines() {
    return LineSelection.given(lines);
  }

  @Override
  public void close() {
    // Java arrays: nothing to give back.
  }

  /** Knows its numbers from the begin, except the time. It does not hold the lists. */
  private static final class Spent implements AttentionCost {
    private final long computedTiles;
    private final long causalTiles;
    private final int sparseHeads;
    private long nanos;

    Spent(long computedTiles, long causalTiles, int sparseHeads) {
      this.computedTiles = computedTiles;
      this.causalTiles = causalTiles;
      this.sparseHeads = sparseHeads;
    }

    @Override
    public long computedTiles() {
      return computedTiles;
    }

    @Override
    public long causalTiles() {
      return causalTiles;
    }

    @Override
    public int sparseHeads() {
      return sparseHeads;
    }

    @Override
    public double seconds() {
      return nanos / 1e9;
    }
  }
}
