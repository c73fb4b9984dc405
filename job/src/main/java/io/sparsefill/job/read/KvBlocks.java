package io.sparsefill.job.read;

import io.sparsefill.udf.KvBlock;
import java.io.Closeable;
import java.io.IOException;

/** The blocks of one layer in order of their tokens, one in memory at a time. */
public interface KvBlocks extends Closeable {
  /**
   * The next block, its checksum verified; null after the layer's last.
   *
   * @throws IOException when it is missing, damaged or cannot be read; the message names document,
   *     layer and block
   */
  KvBlock next() throws IOException;
}
