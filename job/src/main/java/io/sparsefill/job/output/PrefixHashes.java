package io.sparsefill.job.output;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.util.HexFormat;

/**
 * SHA-256 over a growing prefix of token ids as little-endian int32. The state is copied at each
 * block's end, so that all blocks of a document cost one pass over its tokens.
 */
final class PrefixHashes {
  private final MessageDigest digest = Identity.sha256();

  /** Adds tokens {@code [from, to)} and returns the hex hash of all tokens so far. */
  String add(int[] tokens, int from, int to) {
    ByteBuffer bytes =
        ByteBuffer.allocate((to - from) * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asIntBuffer().put(tokens, from, to - from);
    return add(bytes.array());
  }

  /** The same for tokens that are little-endian int32 already. */
  String add(byte[] tokens) {
    digest.update(tokens);
    try {
      return HexFormat.of().formatHex(((MessageDigest) digest.clone()).digest());
    } catch (CloneNotSupportedException e) {
      throw new IllegalStateException("SHA-256 of the JDK can be copied", e);
    }
  }
}
