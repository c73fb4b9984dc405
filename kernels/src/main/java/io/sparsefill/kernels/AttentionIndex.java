package io.sparsefill.kernels;

import java.util.List;

/**
 * The index of one layer's attention, as the backend that built it holds it: which score tiles each
 * (head, query tile) computes.
 */
public interface AttentionIndex extends AutoCloseable {
  /** What it costs; to be read as late as possible, because that may wait for the device. */
  AttentionCost cost();

  /**
   * Score tiles that the attention computes for each head [H], as {@link
   * AttentionCost#computedTiles} counts them; may wait for the device.
   */
  long[] headTiles();

  /**
   * The keys that the queries of one tile compute scores with, before causality; may wait for the
   * device. It is for looking at a few tiles, not for going through all of them.
   *
   * @param tile query tile, one of those that were wanted
   */
  TileKeys keys(int head, int tile);

  /**
   * The columns and diagonals that each head chose, one entry for each head, so that another index
   * can take the same ones; may wait for the device.
   *
   * @throws IllegalStateException if a head computes no lines, naming it
   */
  List<HeadPattern.GivenLines> lines();

  /** Gives the index's memory back. */
  @Override
  void close();
}
