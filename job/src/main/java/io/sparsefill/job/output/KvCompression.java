package io.sparsefill.job.output;

import java.util.Locale;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;

/**
 * Compression of the kv table's files ({@code --kv-compression}); the other tables always take
 * zstd.
 */
public enum KvCompression {
  /** Zstandard, level 1: about 0.8 of the size for bf16 keys and values. */
  ZSTD(CompressionCodecName.ZSTD),
  /** As they are: for storage that is faster than a core compresses. */
  UNCOMPRESSED(CompressionCodecName.UNCOMPRESSED);

  private final CompressionCodecName codec;

  KvCompression(CompressionCodecName codec) {
    this.codec = codec;
  }

  CompressionCodecName codec() {
    return codec;
  }

  /** The option's word: {@code zstd} or {@code uncompressed}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Reads a label.
   *
   * @throws IllegalArgumentException naming the accepted labels
   */
  public static KvCompression of(String label) {
    for (KvCompression compression : values()) {
      if (compression.label().equals(label)) {
        return compression;
      }
    }
    throw new IllegalArgumentException(
        "Unknown KV compression '" + label + "': accepted are zstd and uncompressed");
  }
}
