package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.attention.TileIndex.TILE;
import static io.sparsefill.kernels.cuda.CudaDriver.check;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.Workers;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;
import io.sparsefill.kernels.attention.TopK;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import jcuda.driver.JCudaDriver;

/**
 * What the sparse patterns look at before they choose, computed on the device (MInference, arXiv
 * 2407.02490, algorithms 2 and 3): line scores for vertical-slash, pooled tile scores for
 * block-sparse. The choice itself is made on the host, by the code that all backends share.
 */
final class CudaEstimate {
  /** Queries at the end of the document that the lines are estimated from. */
  private static final int LAST_QUERIES = 64;

  /** Tile scores that are downloaded at a time, in floats. */
  private static final int SCORES_AT_ONCE = 16 << 20;

  private final CudaContext context;
  private final DeviceMemory memory;
  private final CudaStream stream;
  private final Transfers transfers;
  private final Workers workers;
  private final AttentionShape shape;
  private final CudaTensor q;
  private final CudaTensor k;

  CudaEstimate(
      CudaContext context,
      DeviceMemory memory,
      CudaStream stream,
      Transfers transfers,
      Workers workers,
      AttentionShape shape,
      CudaTensor q,
      CudaTensor k) {
    this.context = context;
    this.memory = memory;
    this.stream = stream;
    this.transfers = transfers;
    this.workers = workers;
    this.shape = shape;
    this.q = q;
    this.k = k;
  }

  /** Mirrors LineParams. */
  record LineParameters(
      long q,
      long k,
      long vertical,
      long slash,
      long partials,
      long headList,
      long ldQ,
      long ldK,
      long ldScores,
      int tokens,
      int heads,
      int kvHeads,
      int count,
      int window,
      float scaleLog2)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(q).int64(k).int64(vertical).int64(slash).int64(partials).int64(headList);
      struct.int64(ldQ).int64(ldK).int64(ldScores);
      struct.int32(tokens).int32(heads).int32(kvHeads).int32(count).int32(window);
      struct.float32(scaleLog2);
    }
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
  record PoolScoreParameters(
      long queries, long keys, long scores, int headDim, int rows, int tiles, int fromTile)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(queries).int64(keys).int64(scores);
      struct.int32(headDim).int32(rows).int32(tiles).int32(fromTile);
    }
  }

  /**
   * The lines of some heads.
   *
   * @param heads query heads
   * @param patterns their patterns, in the same order
   * @return their lines, in the same order
   */
  List<LineSelection> lines(List<Integer> heads, List<HeadPattern.VerticalSlash> patterns) {
    if (heads.isEmpty()) {
      return List.of();
    }
    CudaModule module = context.module("estimate");
    Kernel max = module.kernel(CudaAttention.kernelName("line_max", shape));
    Kernel sum = module.kernel(CudaAttention.kernelName("line_sum", shape));
    int tokens = shape.tokens();
    int count = heads.size();
    int blocks = (tokens + max.first() - 1) / max.first();
    long scores = (long) count * tokens;
    LineSelection[] chosen = new LineSelection[count];
    try (DeviceMemory.Block lines =
            memory.allocate(2 * scores * Float.BYTES, "line scores of " + tokens + " tokens");
        DeviceMemory.Block partials =
            memory.allocate(
                2L * LAST_QUERIES * count * blocks * Float.BYTES, "partial sums of line scores");
        DeviceMemory.Block headList = list(heads)) {
      check(
          JCudaDriver.cuMemsetD8Async(
              lines.at(0), (byte) 0, 2 * scores * Float.BYTES, stream.handle()),
          "clear the line scores");
      LineParameters parameters =
          new LineParameters(
              q.address(),
              k.address(),
              lines.address(),
              lines.address() + scores * Float.BYTES,
              partials.address(),
              headList.address(),
              q.stride(),
              k.stride(),
              tokens,
              tokens,
              shape.heads(),
              shape.kvHeads(),
              count,
              shape.window(),
              CudaAttention.scaleLog2(shape));
      max.launch(stream, blocks, count, parameters);
      sum.launch(stream, blocks, count, parameters);
      int group = workers.threads();
      for (int from = 0; from < count; from += group) {
        int first = from;
        int now = Math.min(group, count - from);
        float[][] vertical = new float[now][tokens];
        float[][] slash = new float[now][tokens];
        for (int i = 0; i < now; i++) {
          long at = (long) (first + i) * tokens * Float.BYTES;
          transfers.download(lines, at, vertical[i], 0, tokens);
          transfers.download(lines, scores * Float.BYTES + at, slash[i], 0, tokens);
        }
        workers.forEach(
            now,
            thread -> null,
            (i, none) ->
                chosen[first + i] =
                    LineSelection.of(patterns.get(first + i), vertical[i], slash[i]));
      }
    }
    return List.of(chosen);
  }

  /**
   * The key tiles of some heads: result[i][m - firstTile] are those of head i at query tile m,
   * ascending. With a sliding window the query tile's own keys are always among them.
   *
   * @param heads query heads
   * @param counts how many tiles each takes, in the same order
   */
  List<int[][]> blocks(List<Integer> heads, List<Integer> counts, int firstTile) {
    if (heads.isEmpty()) {
      return List.of();
    }
    Kernel scores = context.module("estimate").kernel("pool_scores");
    int d = shape.headDim();
    int tiles = TileIndex.tiles(shape.tokens());
    int queryTiles = tiles - firstTile;
    int step = Math.max(1, Math.min(queryTiles, SCORES_AT_ONCE / tiles));
    List<Integer> kvHeads = IntStream.range(0, shape.kvHeads()).boxed().toList();
    List<int[][]> chosen = new ArrayList<>();
    try (DeviceMemory.Block keys = pool(k, kvHeads, 0, tiles, true);
        DeviceMemory.Block queries = pool(q, heads, firstTile, queryTiles, false);
        DeviceMemory.Block products =
            memory.allocate((long) step * tiles * Float.BYTES, "tile scores")) {
      for (int i = 0; i < heads.size(); i++) {
        int[][] rows = new int[queryTiles][];
        int kvHead = heads.get(i) / shape.group();
        for (int from = 0; from < queryTiles; from += step) {
          int now = Math.min(step, queryTiles - from);
          scores.launch(
              stream,
              (tiles + scores.second() - 1) / scores.second(),
              (now + scores.first() - 1) / scores.first(),
              new PoolScoreParameters(
                  queries.address() + ((long) i * queryTiles + from) * d * Float.BYTES,
                  keys.address() + (long) kvHead * tiles * d * Float.BYTES,
                  products.address(),
                  d,
                  now,
                  tiles,
                  firstTile + from));
          float[] values = new float[now * tiles];
          transfers.download(products, 0, values, 0, values.length);
          int first = from;
          int count = counts.get(i);
          workers.ranges(
              now,
              (row, n) -> {
                for (int r = (int) row; r < row + n; r++) {
                  rows[first + r] = choose(values, r * tiles, firstTile + first + r, count);
                }
              });
        }
        chosen.add(rows);
      }
    }
    return chosen;
  }

  /** The key tiles of query tile {@code m}, whose scores of all key tiles begin at {@code at}. */
  private int[] choose(float[] values, int at, int m, int count) {
    int first = shape.firstKey(m * TILE) / TILE;
    float[] scores = new float[m + 1 - first];
    System.arraycopy(values, at + first, scores, 0, scores.length);
    if (shape.window() > 0) {
      // The other tiles leave the window before the tile's last query.
      scores[m - first] = Float.POSITIVE_INFINITY;
    }
    int[] best = TopK.ascending(scores, count);
    for (int i = 0; i < best.length; i++) {
      best[i] += first;
    }
    return best;
  }

  /** Sums or means over tiles of 64 rows: [heads][tiles][D] floats. */
  private DeviceMemory.Block pool(
      CudaTensor x, List<Integer> heads, int firstTile, int tiles, boolean mean) {
    Kernel kernel = context.module("estimate").kernel("pool");
    int d = shape.headDim();
    DeviceMemory.Block out =
        memory.allocate((long) heads.size() * tiles * d * Float.BYTES, "pooled heads");
    boolean complete = false;
    try (DeviceMemory.Block headList = list(heads)) {
      kernel.launch(
          stream,
          tiles,
          heads.size(),
          new PoolParameters(
              x.address(),
              out.address(),
              headList.address(),
              x.stride(),
              shape.tokens(),
              d,
              heads.size(),
              firstTile,
              tiles,
              mean));
      // The list is freed behind this: the kernel must have read it.
      stream.synchronize("pooling");
      complete = true;
      return out;
    } finally {
      if (!complete) {
        out.close();
      }
    }
  }

  private DeviceMemory.Block list(List<Integer> heads) {
    DeviceMemory.Block block =
        memory.allocate((long) heads.size() * Integer.BYTES, "a list of heads");
    transfers.upload(
        IntBuffer.wrap(heads.stream().mapToInt(Integer::intValue).toArray()), block, 0);
    return block;
  }
}
