package io.sparsefill.kernels.cpu;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.attention.Retrieval;
import io.sparsefill.kernels.attention.TileIndex;
import io.sparsefill.kernels.attention.TopK;

/**
 * The blocks that a head retrieves (InfLLM, arXiv 2402.04617, section 3.2). A key's score is its
 * product with the sum of the {@code local} queries behind it, where MInference's inf_llm.py sums
 * the attention weights of the local window; the four best keys of a block stand for it, and a
 * block of queries takes the blocks whose representatives fit its queries best.
 *
 * <p>InfLLM gives retrieved keys one common position; here keys and queries are as RoPE left them,
 * and each head retrieves its own blocks, as with InfLLM's {@code perhead}.
 */
final class CpuRetrieval {
  private static final int BLOCK = Retrieval.BLOCK_TILES * TILE;

  private final AttentionShape shape;
  private final PackedKv kv;
  private final CpuTensor q;

  CpuRetrieval(AttentionShape shape, PackedKv kv, CpuTensor q) {
    this.shape = shape;
    this.kv = kv;
    this.q = q;
  }

  /**
   * Chooses.
   *
   * @return blocks of each query tile from {@code firstTile} on, ascending
   */
  int[][] choose(int head, int firstTile, HeadPattern.Retrieved pattern) {
    Retrieval retrieval = new Retrieval(shape, pattern);
    int tiles = TileIndex.tiles(shape.tokens());
    double[][] representatives =
        representatives(head, retrieval, retrieval.blocks(tiles - 1), pattern.local());
    int[][] chosen = new int[tiles - firstTile][];
    for (int m = firstTile; m < tiles; m++) {
      boolean begins = m == firstTile || m % Retrieval.QUERY_TILES == 0;
      chosen[m - firstTile] =
          begins ? best(head, m, retrieval, representatives) : chosen[m - firstTile - 1];
    }
    return chosen;
  }

  private int[] best(int head, int m, Retrieval retrieval, double[][] representatives) {
    int first = retrieval.firstVisibleBlock(m);
    float[] scores = new float[retrieval.blocks(m) - first];
    double[] queries = querySum(head, m / Retrieval.QUERY_TILES * Retrieval.QUERY_TILES * TILE);
    for (int i = 0; i < scores.length; i++) {
      double dot = 0;
      for (int c = 0; c < queries.length; c++) {
        dot += queries[c] * representatives[first + i][c];
      }
      scores[i] = (float) dot;
    }
    int[] best = TopK.ascending(scores, retrieval.pattern().blocks());
    for (int i = 0; i < best.length; i++) {
      best[i] += first;
    }
    return best;
  }

  /** The sum of a query block's queries. */
  private double[] querySum(int head, int from) {
    double[] sum = new double[shape.headDim()];
    float[] row = new float[shape.headDim()];
    int end = Math.min(shape.tokens(), from + Retrieval.QUERY_TILES * TILE);
    for (int query = from; query < end; query++) {
      add(head, query, 1, row, sum);
    }
    return sum;
  }

  /** For each block the sum of the keys that stand for it. */
  private double[][] representatives(int head, Retrieval retrieval, int blocks, int local) {
    int d = shape.headDim();
    double[][] sums = new double[blocks][d];
    if (blocks == 0) {
      return sums;
    }
    float[] row = new float[d];
    double[] behind = new double[d]; // the sum of the queries behind a key
    int first = retrieval.firstTileOf(0) * TILE;
    for (int query = first + 1; query <= first + local; query++) {
      add(head, query, 1, row, behind);
    }
    float[] scores = new float[BLOCK];
    float[] keys = kv.keys(head / shape.group());
    for (int block = 0; block < blocks; block++) {
      int begin = first + block * BLOCK;
      for (int i = 0; i < BLOCK; i++) {
        int key = begin + i;
        int at = kv.keyOffset(key);
        double dot = 0;
        for (int c = 0; c < d; c++) {
          dot += behind[c] * keys[at + c * kv.keyStride()];
        }
        scores[i] = (float) dot;
        add(head, key + 1, -1, row, behind);
        if (key + local + 1 < shape.tokens()) {
          add(head, key + local + 1, 1, row, behind);
        }
      }
      for (int i : TopK.ascending(scores, Retrieval.REPRESENTATIVES)) {
        int at = kv.keyOffset(begin + i);
        for (int c = 0; c < d; c++) {
          sums[block][c] += keys[at + c * kv.keyStride()];
        }
      }
    }
    return sums;
  }

  private void add(int head, int query, int sign, float[] row, double[] sum) {
    CpuEstimate.loadRows(shape, q, head, query, 1, row);
    for (int c = 0; c < row.length; c++) {
      sum[c] += sign * (double) row[c];
    }
  }
}
