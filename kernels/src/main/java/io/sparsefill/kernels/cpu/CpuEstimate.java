package io.sparsefill.kernels.cpu;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.LineChoice;
import io.sparsefill.kernels.attention.LineMeans;
import io.sparsefill.kernels.attention.ProbeRows;
import io.sparsefill.kernels.attention.TileIndex;
import io.sparsefill.kernels.attention.TopK;
import java.nio.FloatBuffer;
import java.util.Arrays;

/**
 * What the sparse patterns look at before they choose: line scores for vertical-slash, pooled tile
 * scores for block-sparse (MInference, arXiv 2407.02490, algorithms 2 and 3).
 */
final class CpuEstimate {
  private static final float LOG2_E = 1.44269504f;

  private final TileMath math;
  private final AttentionShape shape;
  private final PackedKv kv;
  private final CpuTensor q;

  CpuEstimate(TileMath math, AttentionShape shape, PackedKv kv, CpuTensor q) {
    this.math = math;
    this.shape = shape;
    this.kv = kv;
    this.q = q;
  }

  /**
   * Column and diagonal sums of the last queries' attention.
   *
   * @param vertical sum over the queries for each key [T]
   * @param slash sum over each diagonal [T]; index t is distance T - 1 - t
   */
  @SuppressWarnings(
      "ArrayRecordComponent") // handed from the estimate to the selection, never compared
  record Lines(float[] vertical, float[] slash) {}

  /** Scores of one head's lines: two passes over the keys, so that no [64, T] matrix is kept. */
  Lines lines(int head) {
    return lines(head, ProbeRows.last(shape.tokens()), false);
  }

  /**
   * Scores of one head's lines by other ways than MInference's: means over rows, of which the last
   * ones also count by themselves.
   */
  Lines lines(int head, LineChoice choice) {
    ProbeRows last = ProbeRows.last(shape.tokens());
    Lines sums = lines(head, last, true);
    LineMeans ofLast = new LineMeans(shape);
    LineMeans ofAll = new LineMeans(shape);
    ofLast.add(last, sums.vertical(), sums.slash());
    ofAll.add(last, sums.vertical(), sums.slash());
    for (ProbeRows rows : ProbeRows.along(shape, choice.probes())) {
      Lines more = lines(head, rows, true);
      ofAll.add(rows, more.vertical(), more.slash());
    }
    return new Lines(
        LineMeans.larger(ofLast.vertical(), ofAll.vertical()),
        LineMeans.larger(ofLast.slash(), ofAll.slash()));
  }

  /**
   * Sums over some rows.
   *
   * @param apart whether the nearest distances do not count for columns, nor the first columns for
   *     diagonals, as {@link LineMeans} says
   */
  private Lines lines(int head, ProbeRows probes, boolean apart) {
    int tokens = shape.tokens();
    int row0 = probes.first();
    int rows = probes.count();
    int tiles = TileIndex.tiles(row0 + rows);
    int padded = (rows + 3) & ~3;
    float[] queries = new float[TILE * shape.headDim()];
    loadRows(head, row0, rows, queries);
    float factor = shape.scale() * LOG2_E;
    for (int i = 0; i < rows * shape.headDim(); i++) {
      queries[i] *= factor;
    }
    float[] s = new float[TILE * TILE];
    float[] max = new float[TILE];
    float[] sum = new float[TILE * TileMath.SUM_LANES];
    Arrays.fill(max, Float.NEGATIVE_INFINITY);
    int firstTile = shape.firstKey(row0) / TILE;
    for (int tile = firstTile; tile < tiles; tile++) {
      scores(queries, padded, head, row0, rows, tile * TILE, s);
      math.softmax(s, padded, max, sum, sum, 0);
    }
    float[] weight = new float[TILE];
    for (int r = 0; r < rows; r++) {
      float total = 0;
      for (int lane = 0; lane < TileMath.SUM_LANES; lane++) {
        total += sum[r * TileMath.SUM_LANES + lane];
      }
      weight[r] = 1 / total;
    }
    float[] vertical = new float[tokens + TILE];
    float[] slash = new float[tokens + 2 * TILE];
    for (int tile = firstTile; tile < tiles; tile++) {
      int key = tile * TILE;
      scores(queries, padded, head, row0, rows, key, s);
      math.probabilities(s, padded, max, weight);
      for (int r = 0; r < rows; r++) {
        // Key j of query q lies on diagonal t = j + (T - 1 - q).
        int q = row0 + r;
        int diagonal = key + tokens - 1 - q;
        if (apart && key + TILE > q - LineMeans.NEAREST_OF_COLUMNS + 1) {
          int counting = Math.max(0, q - LineMeans.NEAREST_OF_COLUMNS + 1 - key);
          addSome(vertical, key, s, r * TILE, counting);
        } else {
          math.add(vertical, key, s, r * TILE, TILE);
        }
        if (apart && key < LineMeans.FIRST_OF_DIAGONALS) {
          int skip = LineMeans.FIRST_OF_DIAGONALS - key;
          addSome(slash, diagonal + skip, s, r * TILE + skip, TILE - skip);
        } else {
          math.add(slash, diagonal, s, r * TILE, TILE);
        }
      }
    }
    return new Lines(Arrays.copyOf(vertical, tokens), Arrays.copyOf(slash, tokens));
  }

  private static void addSome(float[] target, int at, float[] s, int from, int count) {
    for (int i = 0; i < count; i++) {
      target[at + i] += s[from + i];
    }
  }

  private void scores(
      float[] queries, int padded, int head, int row0, int rows, int key, float[] s) {
    math.scores(
        queries,
        padded,
        shape.headDim(),
        kv.keys(head / shape.group()),
        kv.keyOffset(key),
        kv.keyStride(),
        s);
    if (key + TILE - 1 > row0 || key < shape.firstKey(row0 + rows - 1)) {
      CpuAttention.maskTile(shape, row0, rows, key, s);
    }
  }

  /**
   * For each query tile from {@code firstTile} on, the {@code count} causal key tiles whose mean
   * key has the largest product with the mean query, ascending. With a sliding window the query
   * tile's own keys are always among them: the other tiles leave the window before its last query.
   */
  int[][] blocks(int head, int firstTile, int count) {
    int d = shape.headDim();
    int tiles = TileIndex.tiles(shape.tokens());
    float[] pooledKeys = new float[tiles * d];
    float[] keys = kv.keys(head / shape.group());
    for (int c = 0; c < d; c++) {
      for (int tile = 0; tile < tiles; tile++) {
        int pooled = Math.min(TILE, shape.tokens() - tile * TILE);
        int at = kv.keyOffset(tile * TILE) + c * kv.keyStride();
        float sum = 0;
        for (int t = at; t < at + pooled; t++) {
          sum += keys[t];
        }
        pooledKeys[tile * d + c] = sum / pooled;
      }
    }
    int[][] chosen = new int[tiles - firstTile][];
    float[] rows = new float[TILE * d];
    float[] query = new float[d];
    for (int m = firstTile; m < tiles; m++) {
      int n = Math.min(TILE, shape.tokens() - m * TILE);
      loadRows(head, m * TILE, n, rows);
      Arrays.fill(query, 0f);
      for (int i = 0; i < n * d; i++) {
        query[i % d] += rows[i];
      }
      int first = shape.firstKey(m * TILE) / TILE;
      float[] scores = new float[m + 1 - first];
      for (int tile = first; tile <= m; tile++) {
        float dot = 0;
        for (int c = 0; c < d; c++) {
          dot += query[c] * pooledKeys[tile * d + c];
        }
        scores[tile - first] = dot;
      }
      if (shape.window() > 0) {
        scores[m - first] = Float.POSITIVE_INFINITY;
      }
      int[] best = TopK.ascending(scores, count);
      for (int i = 0; i < best.length; i++) {
        best[i] += first;
      }
      chosen[m - firstTile] = best;
    }
    return chosen;
  }

  private void loadRows(int head, int row0, int rows, float[] target) {
    loadRows(shape, q, head, row0, rows, target);
  }

  /** Copies a head's queries, [rows][D]. */
  static void loadRows(
      AttentionShape shape, CpuTensor q, int head, int row0, int rows, float[] target) {
    int d = shape.headDim();
    FloatBuffer buffer = q.buffer(row0, rows);
    for (int r = 0; r < rows; r++) {
      buffer.get(r * (int) q.cols() + head * d, target, r * d, d);
    }
  }
}
