package io.sparsefill.kernels.attention;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;

/**
 * Where the parts of a head that retrieves blocks lie: the first keys, blocks of 128 keys behind
 * them, and a local window that begins where the last block ends that may be retrieved. Blocks of
 * 512 queries share what they retrieve (InfLLM, arXiv 2402.04617; sizes of MInference's
 * inf_llm.py).
 */
public record Retrieval(AttentionShape shape, HeadPattern.Retrieved pattern) {
  /** Keys of a block, in tiles. */
  public static final int BLOCK_TILES = 2;

  /** Queries that share their blocks, in tiles. */
  public static final int QUERY_TILES = 8;

  /** Keys of a block that stand for it. */
  public static final int REPRESENTATIVES = 4;

  /** The first keys, in whole tiles. */
  public int initialTiles() {
    return TileIndex.tiles(pattern.initial());
  }

  /** How many blocks have left the local window of query tile m's block when that begins. */
  public int blocks(int m) {
    int query = m / QUERY_TILES * QUERY_TILES * TILE;
    int keys = query - pattern.local() - initialTiles() * TILE;
    return Math.max(0, keys) / (BLOCK_TILES * TILE);
  }

  /** The first of them that the first query of query tile m's block sees. */
  public int firstVisibleBlock(int m) {
    int visible = shape.firstKey(m / QUERY_TILES * QUERY_TILES * TILE) / TILE - initialTiles();
    return Math.min(blocks(m), Math.max(0, visible) / BLOCK_TILES);
  }

  /** The first tile of a block. */
  public int firstTileOf(int block) {
    return initialTiles() + block * BLOCK_TILES;
  }
}
