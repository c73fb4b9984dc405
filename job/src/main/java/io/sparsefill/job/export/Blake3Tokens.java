package io.sparsefill.job.export;

import java.nio.ByteBuffer;
import org.apache.commons.codec.digest.Blake3;

/**
 * LMCache's {@code blake3}: BLAKE3 over the parent hash and the token ids as big-endian uint32. The
 * chain begins with the hash of a zero of eight bytes and the token 0. LMCache takes that start
 * where vLLM's own cannot be computed with this function: when vLLM is not installed beside it, or
 * when {@code PYTHONHASHSEED} is set; with vLLM and no seed it draws a random one.
 */
record Blake3Tokens() implements PrefixHash {
  @Override
  public byte[] start() {
    return next(new byte[Long.BYTES], new int[] {0}, 0, 1);
  }

  @Override
  public byte[] next(byte[] parent, int[] tokens, int from, int to) {
    ByteBuffer bytes = ByteBuffer.allocate(parent.length + (to - from) * Integer.BYTES);
    bytes.put(parent);
    bytes.asIntBuffer().put(tokens, from, to - from);
    return Blake3.hash(bytes.array());
  }
}
