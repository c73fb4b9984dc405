package io.sparsefill.kernels.cpu;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Workers;
import java.nio.FloatBuffer;

/**
 * Keys and values of one layer as the CPU's attention reads them: for each KV head the values
 * padded in width, [T + 64][width], and the keys transposed in blocks, [block][D][stride]. A tile
 * may begin at any key, and may reach beyond the last one into zeros, which the causal mask hides.
 *
 * <p>A block holds the keys of 1,024 tokens and repeats the next 64, so that a tile lies inside one
 * block wherever it begins. Blocks keep a tile's rows within few memory pages (one row for the
 * whole document would touch a page for every dimension), and the odd number of cache lines in the
 * stride keeps them out of each other's cache set.
 *
 * <p>The arrays are kept from layer to layer.
 */
final class PackedKv {
  private static final int BLOCK = 1024;
  private static final int STRIDE = BLOCK + TILE + 16;

  private final int headDim;
  private final int tokens;
  private final int width;
  private final float[][] keys;
  private final float[][] values;

  PackedKv(AttentionShape shape, int widthStep) {
    headDim = shape.headDim();
    tokens = shape.tokens();
    width = (headDim + widthStep - 1) / widthStep * widthStep;
    long keyFloats = (long) blocks() * headDim * STRIDE;
    long valueFloats = (long) (tokens + TILE) * width;
    long largest = Math.max(keyFloats, valueFloats);
    if (largest > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "The CPU backend cannot pre-fill %,d tokens with head_dim %d: one head's keys would have %,d elements, and a Java array holds 2^31; use --backend cuda or a shorter document"
              .formatted(tokens, headDim, largest));
    }
    keys = new float[shape.kvHeads()][(int) keyFloats];
    values = new float[shape.kvHeads()][(int) valueFloats];
  }

  private int blocks() {
    return (tokens + BLOCK - 1) / BLOCK;
  }

  /** Whether these arrays fit another layer's attention. */
  boolean fits(AttentionShape shape) {
    return keys.length == shape.kvHeads() && headDim == shape.headDim() && tokens == shape.tokens();
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
    workers.forEach(
        blocks() * shape.kvHeads(),
        thread -> new float[TILE * headDim],
        (item, rows) -> packBlock(item / shape.kvHeads(), item % shape.kvHeads(), k, rows));
  }

  private void packBlock(int block, int kvHead, CpuTensor k, float[] rows) {
    float[] target = keys[kvHead];
    int base = block * headDim * STRIDE;
    int blockEnd = Math.min(tokens, block * BLOCK + BLOCK + TILE);
    for (int from = block * BLOCK; from < blockEnd; from += TILE) {
      int count = Math.min(TILE, blockEnd - from);
      FloatBuffer buffer = k.buffer(from, count);
      for (int t = 0; t < count; t++) {
        buffer.get(t * (int) k.cols() + kvHead * headDim, rows, t * headDim, headDim);
      }
      for (int c = 0; c < headDim; c++) {
        int at = base + c * STRIDE + from - block * BLOCK;
        for (int t = 0; t < count; t++) {
          target[at + t] = rows[t * headDim + c];
        }
      }
    }
  }

  /** Keys of a KV head: dimension d of key j is at {@code keyOffset(j) + d * keyStride()}. */
  float[] keys(int kvHead) {
    return keys[kvHead];
  }

  /** Where the tile that begins at a key begins. */
  int keyOffset(int key) {
    return key / BLOCK * headDim * STRIDE + key % BLOCK;
  }

  /** Distance between the dimensions of a key. */
  int keyStride() {
    return STRIDE;
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
