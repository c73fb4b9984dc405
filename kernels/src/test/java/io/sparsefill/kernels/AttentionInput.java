package io.sparsefill.kernels;

import java.util.Random;

/**
 * Queries, keys and values of one attention on the host.
 *
 * @param q [T, H * D]
 * @param k [T, G * D]
 * @param v [T, G * D]
 */
record AttentionInput(AttentionShape shape, ArrayMatrix q, ArrayMatrix k, ArrayMatrix v) {
  /**
   * Normally distributed input.
   *
   * @param deviation standard deviation of the logits
   */
  static AttentionInput random(AttentionShape shape, double deviation, long seed) {
    Random random = new Random(seed);
    int d = shape.headDim();
    return new AttentionInput(
        shape,
        ArrayMatrix.random(shape.tokens(), shape.heads() * d, deviation, random),
        ArrayMatrix.random(shape.tokens(), shape.kvHeads() * d, 1, random),
        ArrayMatrix.random(shape.tokens(), shape.kvHeads() * d, 1, random));
  }

  /** The shape of most tests: the usual scale. */
  static AttentionShape shape(int tokens, int heads, int kvHeads, int headDim, int window) {
    return new AttentionShape(
        tokens, heads, kvHeads, headDim, (float) (1 / Math.sqrt(headDim)), window);
  }

  /** A logit of a query head, in double. */
  double logit(int head, int query, int key) {
    int d = shape.headDim();
    int kvHead = head / shape.group();
    double sum = 0;
    for (int c = 0; c < d; c++) {
      sum += (double) q.at(query, head * d + c) * k.at(key, kvHead * d + c);
    }
    return sum * shape.scale();
  }
}
