package io.sparsefill.udf;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.TileKeys;
import io.sparsefill.kernels.Workers;

/**
 * Dense attention weights of some queries of one layer, on the host: what an index leaves out of
 * them is the mass that it loses. Queries are spread over the document, one in each of {@value
 * #QUERIES} equal parts, at places that differ from part to part, so that they do not all stand at
 * the same row of their tiles. Takes {@code QUERIES / 2 * H * T} floats.
 */
final class AttentionMass {
  private static final int QUERIES = 16;

  /** Keys that are on the host at a time. */
  private static final int KEYS = 2048;

  private static final double GOLDEN_RATIO = 0.6180339887498949;

  private final AttentionShape shape;
  private final int[] queries; // positions
  private final float[][][] weights; // [H][query][key]

  AttentionMass(Backend backend, Workers workers, AttentionShape shape, Tensor q, Tensor k) {
    this.shape = shape;
    this.queries = queries(shape.tokens());
    this.weights = new float[shape.heads()][queries.length][];
    float[][] rows = new float[queries.length][];
    for (int i = 0; i < queries.length; i++) {
      rows[i] = backend.read(q.rows(queries[i], 1));
      for (float[][] head : weights) {
        head[i] = new float[queries[i] + 1];
      }
    }
    for (int from = 0; from < shape.tokens(); from += KEYS) {
      int first = from;
      float[] keys = backend.read(k.rows(from, Math.min(KEYS, shape.tokens() - from)));
      workers.forEach(
          shape.heads(), thread -> null, (head, none) -> scores(head, rows, keys, first));
    }
    workers.forEach(
        shape.heads(),
        thread -> null,
        (head, none) -> {
          for (int i = 0; i < queries.length; i++) {
            softmax(weights[head][i], shape.firstKey(queries[i]));
          }
        });
  }

  /** Positions of the queries, ascending; all of a document that has no more. */
  static int[] queries(int tokens) {
    int count = Math.min(QUERIES, tokens);
    int[] queries = new int[count];
    for (int i = 0; i < count; i++) {
      double inPart = (i + 1) * GOLDEN_RATIO % 1;
      queries[i] = count == tokens ? i : (int) ((i + inPart) * tokens / count);
    }
    return queries;
  }

  private void scores(int head, float[][] rows, float[] keys, int first) {
    int d = shape.headDim();
    int stride = shape.kvHeads() * d;
    int keyAt = head / shape.group() * d;
    int end = first + keys.length / stride;
    for (int i = 0; i < queries.length; i++) {
      float[] query = rows[i];
      for (int key = Math.max(first, shape.firstKey(queries[i]));
          key < Math.min(end, queries[i] + 1);
          key++) {
        float sum = 0;
        int at = (key - first) * stride + keyAt;
        for (int c = 0; c < d; c++) {
          sum += query[head * d + c] * keys[at + c];
        }
        weights[head][i][key] = sum * shape.scale();
      }
    }
  }

  /** In place; keys before {@code first} get no weight. */
  private static void softmax(float[] scores, int first) {
    float max = Float.NEGATIVE_INFINITY;
    for (int key = first; key < scores.length; key++) {
      max = Math.max(max, scores[key]);
    }
    double sum = 0;
    for (int key = first; key < scores.length; key++) {
      scores[key] = (float) Math.exp(scores[key] - max);
      sum += scores[key];
    }
    for (int key = first; key < scores.length; key++) {
      scores[key] /= (float) sum;
    }
  }

  /** Share of the weights that lies on the keys of an index over all query tiles [H]. */
  double[] recall(AttentionIndex index) {
    double[] recall = new double[shape.heads()];
    for (int head = 0; head < recall.length; head++) {
      double sum = 0;
      for (int i = 0; i < queries.length; i++) {
        sum += inside(weights[head][i], index.keys(head, queries[i] / TILE));
      }
      recall[head] = sum / queries.length;
    }
    return recall;
  }

  private static double inside(float[] weights, TileKeys keys) {
    double sum = 0;
    for (int run = 0; run < keys.runStarts().length; run++) {
      int start = keys.runStarts()[run];
      int end = Math.min(weights.length, start + keys.runTiles()[run] * TILE);
      for (int key = start; key < end; key++) {
        sum += weights[key];
      }
    }
    for (int key : keys.columns()) {
      sum += key < weights.length ? weights[key] : 0;
    }
    return sum;
  }
}
