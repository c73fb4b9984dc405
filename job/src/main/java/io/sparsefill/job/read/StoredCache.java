package io.sparsefill.job.read;

import io.sparsefill.udf.KvBlock;
import java.io.IOException;

/**
 * The stored KV cache of one document. Nothing is read before it is asked for; every block's
 * checksum is verified, and what is missing or damaged is an {@link IOException} that names
 * document, layer and block.
 */
public interface StoredCache {
  /** The document's name. */
  String docId();

  /** The run whose numbers these are. */
  String runId();

  /** Its sizes. */
  CacheShape shape();

  /**
   * The T token ids that were pre-filled.
   *
   * @throws IOException when the tokens table lacks some of them or they do not fit their hashes
   */
  int[] tokenIds() throws IOException;

  /**
   * A whole layer.
   *
   * @throws IllegalArgumentException if there is no such layer, or its keys take more than 2 GiB
   *     (then {@link #blocks} or {@link #block} is the way)
   */
  LayerCache layer(int layer) throws IOException;

  /**
   * One block.
   *
   * @throws IllegalArgumentException if there is no such layer or block
   */
  KvBlock block(int layer, int block) throws IOException;

  /**
   * The blocks of a layer in order; the caller closes them.
   *
   * @throws IllegalArgumentException if there is no such layer
   */
  KvBlocks blocks(int layer) throws IOException;
}
