package io.sparsefill.udf;

import io.sparsefill.kernels.KvDtype;
import java.util.zip.CRC32C;

/**
 * Keys and values of one layer for a run of tokens, as they are stored: little-endian, C-contiguous
 * {@code [token][kv_head][head_dim]}, keys after RoPE. {@link KvNumbers} reads them.
 *
 * @param layer 0-based layer
 * @param block 0-based block inside the layer; block b starts at token b * block_tokens
 * @param tokenStart first token
 * @param tokenCount tokens in this block (the last block of a document may be shorter)
 * @param dtype element type
 * @param key tokenCount * G * D elements
 * @param value tokenCount * G * D elements
 * @param keyScale what the key's elements are multiples of, little-endian fp32 {@code
 *     [token][kv_head]}; null unless the type is {@link KvDtype#scaled}
 * @param valueScale the same of the values
 * @param crc32c {@link #checksum(byte[], byte[], byte[], byte[])} of the four, 0 .. 2^32-1
 */
@SuppressWarnings(
    "ArrayRecordComponent") // a block owns its bytes and is written once; it is never compared
public record KvBlock(
    int layer,
    int block,
    int tokenStart,
    int tokenCount,
    KvDtype dtype,
    byte[] key,
    byte[] value,
    byte[] keyScale,
    byte[] valueScale,
    long crc32c) {
  /** A block of a type that has no scales. */
  public KvBlock(
      int layer,
      int block,
      int tokenStart,
      int tokenCount,
      KvDtype dtype,
      byte[] key,
      byte[] value,
      long crc32c) {
    this(layer, block, tokenStart, tokenCount, dtype, key, value, null, null, crc32c);
  }

  /** The checksum of a block without scales. */
  public static long checksum(byte[] key, byte[] value) {
    return checksum(key, value, null, null);
  }

  /**
   * CRC-32C (RFC 3720) over the bytes of the key, of the value, and, where there are scales, of the
   * key's and of the value's.
   */
  public static long checksum(byte[] key, byte[] value, byte[] keyScale, byte[] valueScale) {
    CRC32C crc = new CRC32C();
    crc.update(key, 0, key.length);
    crc.update(value, 0, value.length);
    if (keyScale != null) {
      crc.update(keyScale, 0, keyScale.length);
    }
    if (valueScale != null) {
      crc.update(valueScale, 0, valueScale.length);
    }
    return crc.getValue();
  }

  /** Whether the bytes are those that the checksum was made of. */
  public boolean intact() {
    return checksum(key, value, keyScale, valueScale) == crc32c;
  }

  /** Bytes of keys, values and their scales. */
  public long bytes() {
    return (long) key.length
        + value.length
        + (keyScale == null ? 0 : keyScale.length)
        + (valueScale == null ? 0 : valueScale.length);
  }
}
