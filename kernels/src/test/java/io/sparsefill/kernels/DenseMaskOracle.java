package io.sparsefill.kernels;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.attention.TileIndex;
import java.util.Arrays;

/**
 * The oracle of every attention test: the tile index expanded to a mask over keys, causality and
 * the sliding window applied query by query, softmax and sums in double.
 */
public final class DenseMaskOracle {
  private DenseMaskOracle() {}

  /** Keys that the runs and columns of a (head, query tile) name, whether causal or not: [T]. */
  public static boolean[] named(TileIndex index, int head, int tile) {
    int tokens = index.shape().tokens();
    boolean[] named = new boolean[tokens];
    for (int run = index.runsBegin(head, tile); run < index.runsEnd(head, tile); run++) {
      int start = index.runStart(run);
      int end = Math.min(tokens, start + index.runTiles(run) * TILE);
      Arrays.fill(named, Math.min(start, end), end, true);
    }
    for (int c = index.columnsBegin(head, tile); c < index.columnsEnd(head, tile); c++) {
      named[index.column(c)] = true;
    }
    return named;
  }

  /**
   * The attention's output.
   *
   * @param untouched what rows before the index's first query tile hold, [T, H * D]
   */
  static double[] attention(TileIndex index, AttentionInput input, float[] untouched) {
    AttentionShape shape = input.shape();
    int width = shape.heads() * shape.headDim();
    double[] out = new double[shape.tokens() * width];
    for (int i = 0; i < index.firstTile() * TILE * width; i++) {
      out[i] = untouched[i];
    }
    for (int head = 0; head < shape.heads(); head++) {
      for (int tile = index.firstTile(); tile < TileIndex.tiles(shape.tokens()); tile++) {
        boolean[] named = named(index, head, tile);
        for (int q = tile * TILE; q < Math.min(shape.tokens(), (tile + 1) * TILE); q++) {
          query(input, named, head, q, out, q * width + head * shape.headDim());
        }
      }
    }
    return out;
  }

  private static void query(
      AttentionInput input, boolean[] named, int head, int q, double[] out, int at) {
    AttentionShape shape = input.shape();
    int d = shape.headDim();
    double[] logits = new double[q + 1];
    double max = Double.NEGATIVE_INFINITY;
    for (int key = shape.firstKey(q); key <= q; key++) {
      logits[key] = named[key] ? input.logit(head, q, key) : Double.NEGATIVE_INFINITY;
      max = Math.max(max, logits[key]);
    }
    double sum = 0;
    for (int key = shape.firstKey(q); key <= q; key++) {
      double weight = Math.exp(logits[key] - max);
      sum += weight;
      if (weight > 0) {
        int value = key * input.v().cols() + head / shape.group() * d;
        for (int c = 0; c < d; c++) {
          out[at + c] += weight * input.v().values()[value + c];
        }
      }
    }
    for (int c = 0; c < d; c++) {
      out[at + c] /= sum;
    }
  }
}
