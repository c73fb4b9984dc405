package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.AttentionCost;
import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.attention.TileIndex;
import java.nio.IntBuffer;

/** A tile index in device memory, in the lists that {@code attention.cu} walks. */
final class CudaIndex implements AttentionIndex {
  /** Lists begin at multiples of this many ints. */
  private static final int ALIGNMENT = 64;

  private final AttentionShape shape;
  private final int firstTile;
  private final int queryTiles;
  private final Cost cost;
  private final DeviceMemory.Block memory;
  private final long runs;
  private final long columns;
  private final long headList;

  CudaIndex(
      TileIndex tiles, DeviceMemory device, Transfers transfers, StreamClock.Stretch stretch) {
    this.shape = tiles.shape();
    this.firstTile = tiles.firstTile();
    this.queryTiles = tiles.queryTiles();
    this.cost = new Cost(tiles.computedTiles(), tiles.causalTiles(), tiles.sparseHeads(), stretch);
    TileIndex.Lists lists = tiles.lists();
    IntBuffer[] parts = {rows(lists), runs(lists), lists.columns(), heads(shape.heads())};
    long[] firstByte = new long[parts.length];
    long ints = 0;
    for (int i = 0; i < parts.length; i++) {
      firstByte[i] = ints * Integer.BYTES;
      ints += (parts[i].remaining() + ALIGNMENT - 1L) / ALIGNMENT * ALIGNMENT;
    }
    memory =
        device.allocate(
            ints * Integer.BYTES, "the attention index of " + shape.tokens() + " tokens");
    boolean complete = false;
    try {
      for (int i = 0; i < parts.length; i++) {
        transfers.upload(parts[i], memory, firstByte[i]);
      }
      complete = true;
    } finally {
      if (!complete) {
        memory.close();
      }
    }
    runs = firstByte[1];
    columns = firstByte[2];
    headList = firstByte[3];
  }

  /** (first run, runs, first column, columns) of each row. */
  private static IntBuffer rows(TileIndex.Lists lists) {
    int count = lists.runOffset().remaining() - 1;
    IntBuffer rows = IntBuffer.allocate(Math.multiplyExact(4, count));
    for (int row = 0; row < count; row++) {
      int run = lists.runOffset().get(row);
      int column = lists.columnOffset().get(row);
      rows.put(run).put(lists.runOffset().get(row + 1) - run);
      rows.put(column).put(lists.columnOffset().get(row + 1) - column);
    }
    return rows.flip();
  }

  /** (first key, tiles) of each run. */
  private static IntBuffer runs(TileIndex.Lists lists) {
    int count = lists.runStart().remaining();
    IntBuffer runs = IntBuffer.allocate(Math.multiplyExact(2, count));
    for (int run = 0; run < count; run++) {
      runs.put(lists.runStart().get(run)).put(lists.runTiles().get(run));
    }
    return runs.flip();
  }

  private static IntBuffer heads(int count) {
    IntBuffer heads = IntBuffer.allocate(count);
    for (int head = 0; head < count; head++) {
      heads.put(head);
    }
    return heads.flip();
  }

  AttentionShape shape() {
    return shape;
  }

  int firstTile() {
    return firstTile;
  }

  int queryTiles() {
    return queryTiles;
  }

  /** Address of (first run, runs, first column, columns) of row head * queryTiles + tile. */
  long rows() {
    return memory.address();
  }

  /** Address of (first key, tiles) of each run. */
  long runs() {
    return memory.address() + runs;
  }

  /** Address of the key of each column. */
  long columns() {
    return memory.address() + columns;
  }

  /** Address of the list of query heads, in the order of the rows. */
  long headList() {
    return memory.address() + headList;
  }

  /** Says that the attention over it is enqueued. */
  void attended() {
    cost.stretch.end();
  }

  @Override
  public AttentionCost cost() {
    return cost;
  }

  @Override
  public void close() {
    cost.stretch.end();
    memory.close();
  }

  private record Cost(
      long computedTiles, long causalTiles, int sparseHeads, StreamClock.Stretch stretch)
      implements AttentionCost {
    @Override
    public double seconds() {
      return stretch.seconds();
    }
  }
}
