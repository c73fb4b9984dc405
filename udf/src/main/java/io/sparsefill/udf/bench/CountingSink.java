package io.sparsefill.udf.bench;

import io.sparsefill.udf.KvBlock;
import io.sparsefill.udf.KvSink;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * Takes KV blocks, counts their bytes and drops them; of some it keeps the checksum, computed from
 * the bytes. Called by one thread at a time.
 */
final class CountingSink implements KvSink {
  /** Of so many blocks of a layer, the checksum of one is kept. */
  private static final int SAMPLE = 37;

  private final Map<Integer, Integer> nextBlock = new HashMap<>();
  private final Map<Place, Long> checksums = new TreeMap<>();
  private long bytes;

  /** Where a block belongs. */
  record Place(int layer, int block) implements Comparable<Place> {
    @Override
    public int compareTo(Place other) {
      return layer != other.layer
          ? Integer.compare(layer, other.layer)
          : Integer.compare(block, other.block);
    }
  }

  @Override
  public void accept(KvBlock block) {
    int expected = nextBlock.getOrDefault(block.layer(), 0);
    if (block.block() != expected) {
      throw new IllegalStateException(
          "Layer %d: block %d came where %d was due"
              .formatted(block.layer(), block.block(), expected));
    }
    nextBlock.put(block.layer(), expected + 1);
    bytes += block.bytes();
    if ((block.block() + block.layer()) % SAMPLE == 0) {
      if (!block.intact()) {
        throw new IllegalStateException(
            "Layer %d, block %d: its bytes do not have the checksum %d that it says"
                .formatted(block.layer(), block.block(), block.crc32c()));
      }
      checksums.put(new Place(block.layer(), block.block()), block.crc32c());
    }
  }

  /** Bytes of all keys and values. */
  long bytes() {
    return bytes;
  }

  /** Checksums of the sampled blocks. */
  Map<Place, Long> checksums() {
    return checksums;
  }
}
