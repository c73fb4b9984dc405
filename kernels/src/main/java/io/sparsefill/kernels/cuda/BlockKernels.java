package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.attention.TileIndex;

/**
 * Estimates and chooses the key tiles of all block-sparse heads of a layer (MInference, arXiv
 * 2407.02490, algorithm 3): pooled queries and keys once, their products in pieces of bounded size.
 */
final class BlockKernels {
  private final CudaContext context;
  private final CudaStream stream;

  BlockKernels(CudaContext context, CudaStream stream) {
    this.context = context;
    this.stream = stream;
  }

  /** Mirrors PoolParams. */
  record PoolParameters(
      long x,
      long out,
      long headList,
      long ldX,
      int tokens,
      int headDim,
      int count,
      int firstTile,
      int tiles,
      boolean mean)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(x).int64(out).int64(headList).int64(ldX);
      struct.int32(tokens).int32(headDim).int32(count).int32(firstTile).int32(tiles).flag(mean);
    }
  }

  /** Mirrors PoolScoreParams. */
  record ScoreParameters(
      long queries,
      long keys,
      long scores,
      long entries,
      long blockHeads,
      int headDim,
      int group,
      int tiles,
      int firstTile,
      int fromBlock)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(queries).int64(keys).int64(scores).int64(entries).int64(blockHeads);
      struct.int32(headDim).int32(group).int32(tiles).int32(firstTile).int32(fromBlock);
    }
  }

  /** Mirrors ChooseParams. */
  record ChooseParameters(
      long scores,
      long entries,
      long blockHeads,
      long rows,
      long runs,
      long error,
      int groupFirst,
      int firstTile,
      int fromTile,
      int tiles,
      int fromBlock,
      int window)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(scores).int64(entries).int64(blockHeads).int64(rows).int64(runs).int64(error);
      struct.int32(groupFirst).int32(firstTile).int32(fromTile).int32(tiles).int32(fromBlock);
      struct.int32(window);
    }
  }

  /** Enqueues the means of the keys and the sums of the queries, by tiles of 64. */
  void pool(IndexPlan plan, long memory, CudaTensor q, CudaTensor k) {
    if (plan.blockHeads().size() > 0) {
      IndexLayout layout = plan.layout();
      int kvHeads = plan.shape().kvHeads();
      pool(plan, k, memory + layout.pooledKeys(), memory + plan.table().kvList(), kvHeads, 0, true);
      pool(
          plan,
          q,
          memory + layout.pooledQueries(),
          memory + plan.table().blockList(),
          plan.blockHeads().size(),
          plan.firstTile(),
          false);
    }
  }

  private void pool(
      IndexPlan plan,
      CudaTensor x,
      long out,
      long headList,
      int heads,
      int firstTile,
      boolean mean) {
    AttentionShape shape = plan.shape();
    int tiles = plan.tiles() - firstTile;
    context
        .module("blocks")
        .kernel("pool")
        .launch(
            stream,
            tiles,
            heads,
            new PoolParameters(
                x.address(),
                out,
                headList,
                x.stride(),
                shape.tokens(),
                shape.headDim(),
                heads,
                firstTile,
                tiles,
                mean));
  }

  /**
   * Enqueues the choice for the block-sparse heads of a group: their rows and runs.
   *
   * @param error gets the first score that is NaN
   */
  void choose(IndexPlan plan, IndexPlan.Group group, long memory, long error) {
    Kernel products = context.module("blocks").kernel("pool_scores");
    Kernel choice = context.module("blocks").kernel("choose_tiles");
    AttentionShape shape = plan.shape();
    IndexLayout layout = plan.layout();
    long heads = memory + plan.table().blockList() + (long) group.firstBlockHead() * Integer.BYTES;
    int blocks = group.blockHeads() * plan.scoreBlocks();
    int step = plan.scoreBlocksAtOnce();
    for (int from = 0; from < blocks; from += step) {
      int now = Math.min(step, blocks - from);
      products.launch(
          stream,
          TileIndex.tiles(plan.tiles()),
          now,
          new ScoreParameters(
              memory + layout.pooledQueries(),
              memory + layout.pooledKeys(),
              memory + layout.scores(),
              memory,
              heads,
              shape.headDim(),
              shape.group(),
              plan.tiles(),
              plan.firstTile(),
              from));
      choice.launch(
          stream,
          (long) now * choice.first(),
          1,
          new ChooseParameters(
              memory + layout.scores(),
              memory,
              heads,
              memory + layout.rows(),
              memory + layout.runs(),
              error,
              group.first(),
              plan.firstTile(),
              plan.fromTile(),
              plan.tiles(),
              from,
              shape.window()));
    }
  }
}
