package io.sparsefill.job.output;

import java.util.Locale;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;

/**
 * Compression of the kv table's files ({@code --kv-compression}); the other tables always take
 * zstd.
 */
public enum KvCompression {
  /**
   * Zstandard, level 1, with the byte planes of bf16 and fp16 apart ({@link BytePlanes}): 0.63 of
   * bf16's size where a cell has 512 KiB, 0.74 without the planes; twice the time of the latter.
   */
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
   * Reads a label; {@code none} is another word for {@code uncompressed}.
   *
   * @throws IllegalArgumentException naming the accepted labels
   */
  public static KvCompression of(String label) {
    if (label.equals("none")) {
      return UNCOMPRESSED;
    }
    for (KvCompression compression : values()) {
      if (compression.label().equals(label)) {
        return compression;
      }
    }
    throw new IllegalArgumentException(
        "Unknown KV compression '" + label + "': accepted are zstd and uncompressed (or none)");
  }
}
