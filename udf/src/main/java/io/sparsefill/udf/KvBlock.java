package io.sparsefill.udf;

import io.sparsefill.kernels.KvDtype;
import java.util.zip.CRC32C;

/**
 * Keys and values of one layer for a run of tokens, as they are stored: little-endian, C-contiguous
 * {@code [token][kv_head][head_dim]}, keys after RoPE.
 *
 * @param layer 0-based layer
 * @param block 0-based block inside the layer; block b starts at token b * block_tokens
 * @param tokenStart first token
 * @param tokenCount tokens in this block (the last block of a document may be shorter)
 * @param dtype element type
 * @param key tokenCount * G * D elements
 * @param value tokenCount * G * D elements
 * @param crc32c CRC-32C (RFC 3720) over the bytes of {@code key} followed by those of {@code
 *     value}, 0 .. 2^32-1
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
    long crc32c) {
  /** The checksum of a block's bytes. */
  public static long checksum(byte[] key, byte[] value) {
    CRC32C crc = new CRC32C();
    crc.update(key, 0, key.length);
    crc.update(value, 0, value.length);
    return crc.getValue();
  }
}
