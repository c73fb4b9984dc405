package io.sparsefill.kernels.bench;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.stream.IntStream;

/**
 * Attention of single rows in double over the bf16 numbers that a device got, for comparison with
 * what it computed.
 */
final class AttentionOracle {
  private static final int KEYS_AT_ONCE = 512;

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
    int[] seen = keys == null ? IntStream.rangeClosed(0, row).toArray() : keys(row, keys);
    Query query = new Query(row, head);
    int parts = (seen.length + KEYS_AT_ONCE - 1) / KEYS_AT_ONCE;
    Sum sum =
        IntStream.range(0, parts)
            .parallel()
            .mapToObj(
                part ->
                    query.sum(
                        seen,
                        part * KEYS_AT_ONCE,
                        Math.min(seen.length, (part + 1) * KEYS_AT_ONCE)))
            .reduce(Sum::plus)
            .orElseThrow();
    double[] output = sum.values;
    for (int i = 0; i < output.length; i++) {
      output[i] /= sum.weight;
    }
    return output;
  }

  /** Keys that a row sees by an index of one head. */
  private static int[] keys(int row, TileIndex index) {
    int tile = row / TILE;
    IntStream runs =
        IntStream.range(index.runsBegin(0, tile), index.runsEnd(0, tile))
            .flatMap(
                run ->
                    IntStream.range(
                        index.runStart(run), index.runStart(run) + index.runTiles(run) * TILE));
    IntStream columns =
        IntStream.range(index.columnsBegin(0, tile), index.columnsEnd(0, tile)).map(index::column);
    return IntStream.concat(runs, columns).filter(key -> key <= row).toArray();
  }

  /**
   * A part of a softmax over keys, scaled by its largest score.
   *
   * @param values sums of weighted values [D]
   */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Sum(double largest, double weight, double[] values) {
    Sum plus(Sum other) {
      double top = Math.max(largest, other.largest);
      double mine = Math.exp(largest - top);
      double theirs = Math.exp(other.largest - top);
      double[] both = new double[values.length];
      for (int i = 0; i < both.length; i++) {
        both[i] = mine * values[i] + theirs * other.values[i];
      }
      return new Sum(top, mine * weight + theirs * other.weight, both);
    }
  }

  /** One row of one head. */
  private final class Query {
    private final int d = shape.headDim();
    private final int firstCol;
    private final float[] query;

    Query(int row, int head) {
      firstCol = head / shape.group() * d;
      float[] all = new float[shape.heads() * d];
      q.read(row, 1, all, 0);
      query = rounded(all, head * d);
    }

    Sum sum(int[] keys, int from, int to) {
      float[] row = new float[shape.kvHeads() * d];
      double[] scores = new double[to - from];
      double largest = Double.NEGATIVE_INFINITY;
      for (int n = from; n < to; n++) {
        k.read(keys[n], 1, row, 0);
        float[] key = rounded(row, firstCol);
        double score = 0;
        for (int i = 0; i < d; i++) {
          score += (double) query[i] * key[i];
        }
        scores[n - from] = score * shape.scale();
        largest = Math.max(largest, scores[n - from]);
      }
      double weights = 0;
      double[] values = new double[d];
      for (int n = from; n < to; n++) {
        double weight = Math.exp(scores[n - from] - largest);
        weights += weight;
        v.read(keys[n], 1, row, 0);
        float[] value = rounded(row, firstCol);
        for (int i = 0; i < d; i++) {
          values[i] += weight * value[i];
        }
      }
      return new Sum(largest, weights, values);
    }

    private float[] rounded(float[] row, int from) {
      float[] part = new float[d];
      for (int i = 0; i < d; i++) {
        part[i] = HalfFloats.fromBf16(HalfFloats.toBf16(row[from + i]));
      }
      return part;
    }
  }
}
