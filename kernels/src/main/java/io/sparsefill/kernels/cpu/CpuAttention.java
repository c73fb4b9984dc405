package io.sparsefill.kernels.cpu;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Workers;
import io.sparsefill.kernels.attention.TileIndex;
import java.nio.FloatBuffer;
import java.util.Arrays;

/**
 * The attention operator of the CPU: for every (head, query tile) of the index the online softmax
 * over its key tiles, then over its gathered columns (FlashAttention, arXiv 2205.14135, with
 * MInference's two kinds of keys).
 *
 * <p>Work items are (query tile, head), longest first, taken by whichever thread is free; the heads
 * of one KV group follow each other, so that they find its keys and values in the cache. A query
 * tile's scores, keys and values are 16 KiB each at D = 64: the item lives in the first two cache
 * levels and is limited by the FMA units.
 */
final class CpuAttention {
  private static final float LOG2_E = 1.44269504f;

  private final TileMath math;
  private final Workers workers;

  CpuAttention(TileMath math, Workers workers) {
    this.math = math;
    this.workers = workers;
  }

  /** Scratch of one thread. */
  private static final class Scratch {
    final float[] q;
    final float[] o;
    final float[] s = new float[TILE * TILE];
    final float[] max = new float[TILE];
    final float[] sum = new float[TILE * TileMath.SUM_LANES];
    final float[] gatheredKeys;
    final float[] gatheredValues;
    final int[] gathered = new int[TILE];
    final TopScores top = new TopScores();

    Scratch(int headDim, int width) {
      q = new float[TILE * headDim];
      o = new float[TILE * width];
      gatheredKeys = new float[headDim * TILE];
      gatheredValues = new float[TILE * width];
    }
  }

  /**
   * Runs the attention.
   *
   * @param index which scores
   * @param kept how many keys of each query count, for each head; Integer.MAX_VALUE for all
   * @param kv packed keys and values
   * @param q [T, H * D]
   * @param out [T, H * D], may be q: an item reads its rows before it writes them
   */
  void run(TileIndex index, int[] kept, PackedKv kv, CpuTensor q, CpuTensor out) {
    AttentionShape shape = index.shape();
    int heads = shape.heads();
    int tiles = TileIndex.tiles(shape.tokens());
    workers.forEach(
        index.queryTiles() * heads,
        thread -> new Scratch(shape.headDim(), kv.width()),
        (item, scratch) ->
            queryTile(index, kept, kv, q, out, item % heads, tiles - 1 - item / heads, scratch));
  }

  private void queryTile(
      TileIndex index,
      int[] kept,
      PackedKv kv,
      CpuTensor q,
      CpuTensor out,
      int head,
      int tile,
      Scratch x) {
    AttentionShape shape = index.shape();
    int group = head / shape.group();
    int row0 = tile * TILE;
    int rows = Math.min(TILE, shape.tokens() - row0);
    int padded = (rows + 3) & ~3;
    loadQueries(shape, q, head, row0, rows, x.q);
    Arrays.fill(x.q, rows * shape.headDim(), padded * shape.headDim(), 0f);
    Arrays.fill(x.o, 0, padded * kv.width(), 0f);
    Arrays.fill(x.max, Float.NEGATIVE_INFINITY);
    Arrays.fill(x.sum, 0f);

    if (kept[head] < tile * TILE + rows) {
      keepLargest(index, kv, head, tile, rows, kept[head], x);
      storeOutputs(shape, out, head, row0, rows, kv.width(), x);
      return;
    }
    int oldest = shape.firstKey(row0 + rows - 1);
    for (int run = index.runsBegin(head, tile); run < index.runsEnd(head, tile); run++) {
      int key = index.runStart(run);
      for (int t = 0; t < index.runTiles(run); t++, key += TILE) {
        math.scores(
            x.q, padded, shape.headDim(), kv.keys(group), kv.keyOffset(key), kv.keyStride(), x.s);
        if (key + TILE - 1 > row0 || key < oldest) {
          maskTile(shape, row0, rows, key, x.s);
        }
        math.softmax(x.s, padded, x.max, x.sum, x.o, kv.width());
        math.accumulate(x.s, padded, kv.values(group), key * kv.width(), x.o, kv.width());
      }
    }
    int end = index.columnsEnd(head, tile);
    for (int column = index.columnsBegin(head, tile); column < end; column += TILE) {
      int count = Math.min(TILE, end - column);
      gather(index, kv, group, column, count, x);
      math.scores(x.q, padded, shape.headDim(), x.gatheredKeys, 0, TILE, x.s);
      maskColumns(shape, row0, rows, x.gathered, count, x.s);
      math.softmax(x.s, padded, x.max, x.sum, x.o, kv.width());
      math.accumulate(x.s, padded, x.gatheredValues, 0, x.o, kv.width());
    }
    storeOutputs(shape, out, head, row0, rows, kv.width(), x);
  }

  /**
   * The largest scores of each query, over the runs of the query tile. All of its scores are there
   * before the first weight is known.
   */
  private void keepLargest(
      TileIndex index, PackedKv kv, int head, int tile, int rows, int kept, Scratch x) {
    AttentionShape shape = index.shape();
    int group = head / shape.group();
    int padded = (rows + 3) & ~3;
    int first = index.runsBegin(head, tile);
    int start = index.runStart(first);
    int tiles = index.runTiles(first);
    x.top.begin(tiles);
    for (int t = 0; t < tiles; t++) {
      int key = start + t * TILE;
      math.scores(
          x.q, padded, shape.headDim(), kv.keys(group), kv.keyOffset(key), kv.keyStride(), x.s);
      maskTile(shape, tile * TILE, rows, key, x.s);
      x.top.put(t, rows, x.s);
    }
    x.top.select(rows, kept);
    for (int t = 0; t < tiles; t++) {
      if (x.top.get(t, rows, padded, x.s)) {
        math.softmax(x.s, padded, x.max, x.sum, x.o, kv.width());
        int at = (start + t * TILE) * kv.width();
        math.accumulate(x.s, padded, kv.values(group), at, x.o, kv.width());
      }
    }
  }

  /** Queries scaled by scale * log2(e), because the softmax is in base 2. */
  private static void loadQueries(
      AttentionShape shape, CpuTensor q, int head, int row0, int rows, float[] target) {
    int d = shape.headDim();
    FloatBuffer buffer = q.buffer(row0, rows);
    for (int r = 0; r < rows; r++) {
      buffer.get(r * (int) q.cols() + head * d, target, r * d, d);
    }
    float factor = shape.scale() * LOG2_E;
    for (int i = 0; i < rows * d; i++) {
      target[i] *= factor;
    }
  }

  static void maskTile(AttentionShape shape, int row0, int rows, int key, float[] s) {
    for (int r = 0; r < rows; r++) {
      int query = row0 + r;
      int from = Math.max(0, Math.min(TILE, shape.firstKey(query) - key));
      int to = Math.max(0, Math.min(TILE, query + 1 - key));
      Arrays.fill(s, r * TILE, r * TILE + from, Float.NEGATIVE_INFINITY);
      Arrays.fill(s, r * TILE + Math.max(from, to), (r + 1) * TILE, Float.NEGATIVE_INFINITY);
    }
  }

  private static void maskColumns(
      AttentionShape shape, int row0, int rows, int[] keys, int count, float[] s) {
    boolean allVisible =
        count == TILE && keys[count - 1] <= row0 && keys[0] >= shape.firstKey(row0 + rows - 1);
    if (allVisible) {
      return;
    }
    for (int r = 0; r < rows; r++) {
      int query = row0 + r;
      int oldest = shape.firstKey(query);
      for (int c = 0; c < TILE; c++) {
        if (c >= count || keys[c] > query || keys[c] < oldest) {
          s[r * TILE + c] = Float.NEGATIVE_INFINITY;
        }
      }
    }
  }

  private static void gather(
      TileIndex index, PackedKv kv, int group, int column, int count, Scratch x) {
    float[] keys = kv.keys(group);
    float[] values = kv.values(group);
    int width = kv.width();
    int[] offsets = new int[count];
    for (int c = 0; c < count; c++) {
      x.gathered[c] = index.column(column + c);
      offsets[c] = kv.keyOffset(x.gathered[c]);
      System.arraycopy(values, x.gathered[c] * width, x.gatheredValues, c * width, width);
    }
    Arrays.fill(x.gatheredValues, count * width, TILE * width, 0f);
    for (int d = 0; d * TILE < x.gatheredKeys.length; d++) {
      int source = d * kv.keyStride();
      int target = d * TILE;
      for (int c = 0; c < count; c++) {
        x.gatheredKeys[target + c] = keys[source + offsets[c]];
      }
      Arrays.fill(x.gatheredKeys, target + count, target + TILE, 0f);
    }
  }

  private static void storeOutputs(
      AttentionShape shape, CpuTensor out, int head, int row0, int rows, int width, Scratch x) {
    int d = shape.headDim();
    FloatBuffer buffer = out.buffer(row0, rows);
    for (int r = 0; r < rows; r++) {
      float sum = 0;
      for (int lane = 0; lane < TileMath.SUM_LANES; lane++) {
        sum += x.sum[r * TileMath.SUM_LANES + lane];
      }
      if (!(sum > 0)) {
        throw new ArithmeticException(
            "Attention of head %d at query %d has the weight sum %s: its keys or queries are not finite, or its index shows it no key"
                .formatted(head, row0 + r, sum));
      }
      float factor = 1 / sum;
      for (int c = 0; c < d; c++) {
        x.o[r * width + c] *= factor;
      }
      buffer.put(r * (int) out.cols() + head * d, x.o, r * width, d);
    }
  }
}
