package io.sparsefill.job.export;

import io.sparsefill.job.read.CacheShape;
import io.sparsefill.job.read.StoredCache;
import io.sparsefill.udf.KvBlock;
import java.io.IOException;
import java.io.OutputStream;

/**
 * Keys and values of a piece of a document in all layers, for files that hold all layers of it. The
 * stored blocks that the piece lies in are held, of every layer: 32 MiB for Llama-3-8B in bf16 when
 * a piece lies in one block of 256 tokens. Going on piece by piece reads each block once.
 */
final class CacheRows {
  /** Keys or values. */
  enum Side {
    KEY,
    VALUE;

    byte[] of(KvBlock block) {
      return this == KEY ? block.key() : block.value();
    }
  }

  private final StoredCache cache;
  private final CacheShape shape;
  private final KvBlock[][] held;
  private int firstHeld;

  CacheRows(StoredCache cache) {
    this.cache = cache;
    shape = cache.shape();
    held = new KvBlock[shape.layers()][0];
  }

  /**
   * Goes to a piece.
   *
   * @param from first token
   * @param to one past the last token
   */
  void moveTo(int from, int to) throws IOException {
    int first = from / shape.blockTokens();
    int count = (to - 1) / shape.blockTokens() + 1 - first;
    for (int layer = 0; layer < shape.layers(); layer++) {
      KvBlock[] blocks = new KvBlock[count];
      for (int i = 0; i < count; i++) {
        int at = first + i - firstHeld;
        boolean known = at >= 0 && at < held[layer].length;
        blocks[i] = known ? held[layer][at] : cache.block(layer, first + i);
      }
      held[layer] = blocks;
    }
    firstHeld = first;
  }

  /**
   * Writes {@code [token][kv_head][head_dim]} of tokens of the piece.
   *
   * @param from first token
   * @param to one past the last token
   * @param heads which KV heads
   */
  void write(Side side, int layer, int from, int to, Heads heads, OutputStream out)
      throws IOException {
    int row = shape.tokenBytes();
    int headBytes = shape.headDim() * shape.dtype().bytes();
    int token = from;
    while (token < to) {
      KvBlock block = held[layer][token / shape.blockTokens() - firstHeld];
      int end = Math.min(to, block.tokenStart() + block.tokenCount());
      byte[] bytes = side.of(block);
      if (heads.count() == shape.kvHeads()) {
        out.write(bytes, (token - block.tokenStart()) * row, (end - token) * row);
      } else {
        for (int t = token; t < end; t++) {
          int start = (t - block.tokenStart()) * row + heads.first() * headBytes;
          out.write(bytes, start, heads.count() * headBytes);
        }
      }
      token = end;
    }
  }
}
