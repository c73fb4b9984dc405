package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.attention.TileIndex;
import java.nio.IntBuffer;

/** A tile index in device memory: the lists of {@link TileIndex}, one behind the other. */
final class CudaIndex implements AttentionIndex {
  /** Lists begin at multiples of this many ints. */
  private static final long ALIGNMENT = 64;

  private final AttentionShape shape;
  private final int firstTile;
  private final int queryTiles;
  private final long computedTiles;
  private final long causalTiles;
  private final int sparseHeads;
  private final DeviceMemory.Block memory;
  private final long[] firstByte = new long[5];

  CudaIndex(TileIndex tiles, DeviceMemory device, Transfers transfers) {
    this.shape = tiles.shape();
    this.firstTile = tiles.firstTile();
    this.queryTiles = tiles.queryTiles();
    this.computedTiles = tiles.computedTiles();
    this.causalTiles = tiles.causalTiles();
    this.sparseHeads = tiles.sparseHeads();
    TileIndex.Lists lists = tiles.lists();
    IntBuffer[] parts = {
      lists.runOffset(), lists.runStart(), lists.runTiles(), lists.columnOffset(), lists.columns()
    };
    long ints = 0;
    for (int i = 0; i < parts.length; i++) {
      firstByte[i] = ints * Integer.BYTES;
      ints += (parts[i].remaining() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
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

  /** Address of a list, in the order of {@link TileIndex.Lists}. */
  long list(int which) {
    return memory.address() + firstByte[which];
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
  public void close() {
    memory.close();
  }
}
