package io.sparsefill.job.export;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * SGLang's page hash: SHA-256 over the parent hash (nothing before the first page) and the token
 * ids as little-endian uint32.
 */
record Sha256Tokens() implements PrefixHash {
  @Override
  public byte[] start() {
    return new byte[0];
  }

  @Override
  public byte[] next(byte[] parent, int[] tokens, int from, int to) {
    ByteBuffer bytes =
        ByteBuffer.allocate((to - from) * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asIntBuffer().put(tokens, from, to - from);
    MessageDigest digest = sha256();
    digest.update(parent);
    return digest.digest(bytes.array());
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java platform has SHA-256", e);
    }
  }
}
