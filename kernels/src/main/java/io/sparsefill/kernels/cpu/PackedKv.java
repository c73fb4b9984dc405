package io.sparsefill.kernels.cpu;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionShape;
import java.nio.FloatBuffer;
import java.util.Arrays;

/**
 * Keys and values of one layer as the CPU's attention reads them: for each KV head the keys
 * transposed, [D][stride], and the values padded in width, [T + 64][width]. A tile may begin at any
 * key, and may reach beyond the last one into zeros, which the causal mask hides.
 *
 * <p>The arrays are kept from layer to layer. The stride is an odd number of cache lines, because
 * columns a power of two apart would fall into one cache set.
 */
final class PackedKv {
  private static final int LINE = 16;

  private final int width;
  private final int stride;
  private final float[][] keys;
  private final float[][] values;

  PackedKv(AttentionShape shape, int widthStep) {
    int d = shape.headDim();
    width = (d + widthStep - 1) / widthStep * widthStep;
    int lines = (shape.tokens() + TILE + LINE - 1) / LINE;
    stride = (lines | 1) * LINE;
    long largest = Math.max((long) stride * d, (long) (shape.tokens() + TILE) * width);
    if (largest > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "The CPU backend cannot pre-fill %,d tokens with head_dim %d: one head's keys would have %,d elements, and a Java array holds 2^31; use --backend cuda or a shorter document"
              .formatted(shape.tokens(), d, largest));
    }
    keys = new float[shape.kvHeads()][d * stride];
    values = new float[shape.kvHeads()][(shape.tokens() + TILE) * width];
  }

  /** Whether these arrays fit another layer's attention. */
  boolean fits(AttentionShape shape) {
    int lines = (shape.tokens() + TILE + LINE - 1) / LINE;
    return keys.length == shape.kvHeads()
        && stride == (lines | 1) * LINE
        && keys[0].length == shape.headDim() * stride
        && values[0].length == (shape.tokens() + TILE) * width;
  }

  /** Fills the values from v [T, G * D]. */
  void packValues(Workers workers, AttentionShape shape, CpuTensor v) {
    int d = shape.headDim();
    workers.ranges(
        shape.tokens(),
        (from, count) -> {
          FloatBuffer buffer = v.buffer(from, count);
          for (int g = 0; g < shape.kvHeads(); g++) {
            for (int t = 0; t < count; t++) {
              int target = ((int) from + t) * width;
              buffer.get(t * (int) v.cols() + g * d, values[g], target, d);
            }
          }
        });
  }

  /** Fills the keys from k [T, G * D]. */
  void packKeys(Workers workers, AttentionShape shape, CpuTensor k) {
    int d = shape.headDim();
    int tokens = shape.tokens();
    int blocks = (tokens + TILE - 1) / TILE;
    workers.forEach(
        blocks * shape.kvHeads(),
        thread -> new float[TILE * d],
        (item, rows) -> {
          int g = item % shape.kvHeads();
          int from = item / shape.kvHeads() * TILE;
          int count = Math.min(TILE, tokens - from);
          FloatBuffer buffer = k.buffer(from, count);
          for (int t = 0; t < count; t++) {
            buffer.get(t * (int) k.cols() + g * d, rows, t * d, d);
          }
          float[] target = keys[g];
          for (int c = 0; c < d; c++) {
            for (int t = 0; t < count; t++) {
              target[c * stride + from + t] = rows[t * d + c];
            }
          }
        });
    for (float[] head : keys) {
      for (int c = 0; c < d; c++) {
        Arrays.fill(head, c * stride + tokens, (c + 1) * stride, 0f);
      }
    }
  }

  /** Keys of a KV head, [D][keyStride]. */
  float[] keys(int kvHead) {
    return keys[kvHead];
  }

  /** Distance between the dimensions of a key. */
  int keyStride() {
    return stride;
  }

  /** Values of a KV head, [T + 64][width]. */
  float[] values(int kvHead) {
    return values[kvHead];
  }

  /** head_dim padded to what the vectors need. */
  int width() {
    return width;
  }
}
