package io.sparsefill.kernels.bench;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.attention.TileIndex;

/**
 * Attention of single rows in double over the bf16 numbers that a device got, for comparison with
 * what it computed.
 */
final class AttentionOracle {
  private final AttentionShape shape;
  private final HostMatrix q;
  private final HostMatrix k;
  private final HostMatrix v;

  AttentionOracle(AttentionShape shape, HostMatrix q, HostMatrix k, HostMatrix v) {
    this.shape = shape;
    this.q = q;
    this.k = k;
    this.v = v;
  }

  /**
   * Relative distance (Euclidean norm) of an output from the exact one.
   *
   * @param row the query
   * @param head the query head
   * @param keys the index of one head that says which keys the row sees, or null for all causal
   *     ones
   * @param actual what was computed, a row of [T, H * D]
   */
  double error(int row, int head, TileIndex keys, float[] actual) {
    double[] expected = output(row, head, keys);
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < expected.length; i++) {
      double delta = actual[head * shape.headDim() + i] - expected[i];
      difference += delta * delta;
      norm += expected[i] * expected[i];
    }
    return Math.sqrt(difference / norm);
  }

  private double[] output(int row, int head, TileIndex keys) {
    Sum sum = new Sum(row, head);
    if (keys == null) {
      for (int key = 0; key <= row; key++) {
        sum.add(key);
      }
      return sum.output();
    }
    int tile = row / TILE;
    for (int run = keys.runsBegin(0, tile); run < keys.runsEnd(0, tile); run++) {
      int end = keys.runStart(run) + keys.runTiles(run) * TILE;
      for (int key = keys.runStart(run); key < Math.min(end, row + 1); key++) {
        sum.add(key);
      }
    }
    for (int i = keys.columnsBegin(0, tile); i < keys.columnsEnd(0, tile); i++) {
      if (keys.column(i) <= row) {
        sum.add(keys.column(i));
      }
    }
    return sum.output();
  }

  /** The softmax of one row, key after key, always scaled by the largest score so far. */
  private final class Sum {
    private final int d = shape.headDim();
    private final int kvHead;
    private final float[] query;
    private final float[] rowOfKv = new float[shape.kvHeads() * d];
    private final double[] sums = new double[d];
    private double weights;
    private double largest = Double.NEGATIVE_INFINITY;

    Sum(int row, int head) {
      kvHead = head / shape.group();
      float[] all = new float[shape.heads() * d];
      q.read(row, 1, all, 0);
      query = new float[d];
      for (int i = 0; i < d; i++) {
        query[i] = rounded(all[head * d + i]);
      }
    }

    void add(int key) {
      k.read(key, 1, rowOfKv, 0);
      double score = 0;
      for (int i = 0; i < d; i++) {
        score += (double) query[i] * rounded(rowOfKv[kvHead * d + i]);
      }
      score *= shape.scale();
      if (score > largest) {
        double factor = Math.exp(largest - score);
        weights *= factor;
        for (int i = 0; i < d; i++) {
          sums[i] *= factor;
        }
        largest = score;
      }
      double weight = Math.exp(score - largest);
      weights += weight;
      v.read(key, 1, rowOfKv, 0);
      for (int i = 0; i < d; i++) {
        sums[i] += weight * rounded(rowOfKv[kvHead * d + i]);
      }
    }

    double[] output() {
      double[] output = sums.clone();
      for (int i = 0; i < d; i++) {
        output[i] /= weights;
      }
      return output;
    }

    private static float rounded(float x) {
      return HalfFloats.fromBf16(HalfFloats.toBf16(x));
    }
  }
}
