package io.sparsefill.job.export;

import io.sparsefill.job.read.CacheShape;
import io.sparsefill.job.read.KvBlocks;
import io.sparsefill.job.read.LayerCache;
import io.sparsefill.job.read.StoredCache;
import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.udf.KvBlock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;

/**
 * A cache made of random finite numbers that every dtype represents exactly, and a count of the
 * blocks that were read.
 */
final class CacheInMemory implements StoredCache {
  private final String docId;
  private final CacheShape shape;
  private final int[] tokenIds;
  private final KvBlock[][] blocks;
  int blocksRead;

  CacheInMemory(String docId, CacheShape shape, int[] tokenIds) {
    this.docId = docId;
    this.shape = shape;
    this.tokenIds = tokenIds.clone();
    Random random = new Random(docId.hashCode());
    blocks = new KvBlock[shape.layers()][shape.blocks()];
    for (int layer = 0; layer < shape.layers(); layer++) {
      for (int block = 0; block < shape.blocks(); block++) {
        byte[] key = elements(random, shape.blockTokens(block));
        byte[] value = elements(random, shape.blockTokens(block));
        blocks[layer][block] =
            new KvBlock(
                layer,
                block,
                shape.blockStart(block),
                shape.blockTokens(block),
                shape.dtype(),
                key,
                value,
                KvBlock.checksum(key, value));
      }
    }
  }

  /** A copy of a stored cache. */
  static CacheInMemory copyOf(StoredCache cache) throws IOException {
    CacheInMemory copy = new CacheInMemory(cache.docId(), cache.shape(), cache.tokenIds());
    for (int layer = 0; layer < cache.shape().layers(); layer++) {
      for (int block = 0; block < cache.shape().blocks(); block++) {
        copy.blocks[layer][block] = cache.block(layer, block);
      }
    }
    return copy;
  }

  /** With random tokens of a vocabulary of 2048. */
  static CacheInMemory of(String docId, CacheShape shape) {
    return new CacheInMemory(
        docId, shape, new Random(docId.length()).ints(shape.tokens(), 0, 2048).toArray());
  }

  private byte[] elements(Random random, int tokens) {
    int count = tokens * shape.kvHeads() * shape.headDim();
    ByteBuffer out =
        ByteBuffer.allocate(count * shape.dtype().bytes()).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      // Eight significant bits between 2^-7 and 2^7: exact in all three formats.
      float number = (random.nextInt(255) - 127) / (float) (1 << random.nextInt(8));
      switch (shape.dtype()) {
        case BF16 -> out.putShort(HalfFloats.toBf16(number));
        case FP16 -> out.putShort(HalfFloats.toFp16(number));
        case FP32 -> out.putFloat(number);
        default -> throw new IllegalArgumentException(shape.dtype().label());
      }
    }
    return out.array();
  }

  /** An element, by its place in the document. */
  float element(CacheRows.Side side, int layer, int token, int head, int i) {
    KvBlock block = blocks[layer][token / shape.blockTokens()];
    int at = ((token - block.tokenStart()) * shape.kvHeads() + head) * shape.headDim() + i;
    return Elements.at(side.of(block), at, shape.dtype());
  }

  /**
   * Elements of a run of tokens, [token][head][element].
   *
   * @param from first token
   * @param to one past the last
   * @param firstHead first head
   * @param heads number of heads
   */
  float[] elements(CacheRows.Side side, int layer, int from, int to, int firstHead, int heads) {
    float[] elements = new float[(to - from) * heads * shape.headDim()];
    int at = 0;
    for (int token = from; token < to; token++) {
      for (int head = firstHead; head < firstHead + heads; head++) {
        for (int i = 0; i < shape.headDim(); i++) {
          elements[at++] = element(side, layer, token, head, i);
        }
      }
    }
    return elements;
  }

  /** Puts a number in the place of an element; fp32 caches only. */
  void set(CacheRows.Side side, int layer, int token, int head, int i, float number) {
    KvBlock block = blocks[layer][token / shape.blockTokens()];
    int at = ((token - block.tokenStart()) * shape.kvHeads() + head) * shape.headDim() + i;
    ByteBuffer.wrap(side.of(block)).order(ByteOrder.LITTLE_ENDIAN).putFloat(4 * at, number);
  }

  @Override
  public String docId() {
    return docId;
  }

  @Override
  public String runId() {
    return "run";
  }

  @Override
  public CacheShape shape() {
    return shape;
  }

  @Override
  public int[] tokenIds() {
    return tokenIds.clone();
  }

  @Override
  public LayerCache layer(int layer) {
    throw new AssertionError("an export must not hold a whole layer");
  }

  @Override
  public KvBlock block(int layer, int block) {
    blocksRead++;
    return blocks[layer][block];
  }

  @Override
  public KvBlocks blocks(int layer) {
    return new KvBlocks() {
      private int next;

      @Override
      public KvBlock next() {
        return next == blocks[layer].length ? null : block(layer, next++);
      }

      @Override
      public void close() {}
    };
  }
}
