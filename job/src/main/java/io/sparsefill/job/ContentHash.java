package io.sparsefill.job;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** The {@code content_sha256} of a document, as lower-case hex. */
final class ContentHash {
  /** Of a document of which nothing could be read. */
  static final String OF_NOTHING = of(new byte[0], 0, 0);

  private static final int CHUNK_INTS = 8192;

  private ContentHash() {}

  /** SHA-256 of bytes {@code from} (inclusive) to {@code to} (exclusive). */
  static String of(byte[] bytes, int from, int to) {
    MessageDigest digest = sha256();
    digest.update(bytes, from, to - from);
    return HexFormat.of().formatHex(digest.digest());
  }

  /** SHA-256 of token ids as little-endian int32. */
  static String of(int[] tokenIds) {
    MessageDigest digest = sha256();
    ByteBuffer chunk = ByteBuffer.allocate(4 * CHUNK_INTS).order(ByteOrder.LITTLE_ENDIAN);
    for (int from = 0; from < tokenIds.length; from += CHUNK_INTS) {
      int count = Math.min(CHUNK_INTS, tokenIds.length - from);
      chunk.clear();
      chunk.asIntBuffer().put(tokenIds, from, count);
      digest.update(chunk.array(), 0, 4 * count);
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  /** Of a document and its question, from the hashes of both. */
  static String withQuestion(String document, String question) {
    byte[] both = (document + question).getBytes(StandardCharsets.US_ASCII);
    return of(both, 0, both.length);
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java runtime must have SHA-256", e);
    }
  }
}
