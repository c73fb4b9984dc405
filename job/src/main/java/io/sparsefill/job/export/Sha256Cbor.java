package io.sparsefill.job.export;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Objects;

/**
 * vLLM's {@code sha256_cbor}: SHA-256 over the canonical CBOR (RFC 8949) of the triple (parent
 * hash, token ids, null); null stands for the extra keys (adapter, images, salt) of a piece, and
 * caches of plain text have none. The chain begins with the hash of the seed as a text, which is
 * the {@code PYTHONHASHSEED} of the engine's processes: without one, every process draws its own
 * start, and nothing that is stored is ever found.
 *
 * @param seed value of {@code PYTHONHASHSEED}
 */
record Sha256Cbor(String seed) implements PrefixHash {
  private static final int UNSIGNED = 0x00;
  private static final int BYTES = 0x40;
  private static final int TEXT = 0x60;
  private static final int ARRAY = 0x80;
  private static final int NULL = 0xf6;

  Sha256Cbor {
    Objects.requireNonNull(seed, "seed");
  }

  @Override
  public byte[] start() {
    byte[] text = seed.getBytes(StandardCharsets.UTF_8);
    ByteArrayOutputStream cbor = new ByteArrayOutputStream(text.length + 5);
    head(cbor, TEXT, text.length);
    cbor.writeBytes(text);
    return Sha256Tokens.sha256().digest(cbor.toByteArray());
  }

  @Override
  public byte[] next(byte[] parent, int[] tokens, int from, int to) {
    ByteArrayOutputStream cbor = new ByteArrayOutputStream(parent.length + 5 * (to - from) + 16);
    head(cbor, ARRAY, 3);
    head(cbor, BYTES, parent.length);
    cbor.writeBytes(parent);
    head(cbor, ARRAY, to - from);
    for (int i = from; i < to; i++) {
      head(cbor, UNSIGNED, tokens[i]);
    }
    cbor.write(NULL);
    return Sha256Tokens.sha256().digest(cbor.toByteArray());
  }

  /** The head of a data item: its type and, in as few bytes as hold it, its value or length. */
  private static void head(ByteArrayOutputStream cbor, int type, int value) {
    if (value < 24) {
      cbor.write(type | value);
    } else if (value < 1 << 8) {
      cbor.write(type | 24);
      cbor.write(value);
    } else if (value < 1 << 16) {
      cbor.write(type | 25);
      cbor.write(value >>> 8);
      cbor.write(value);
    } else {
      cbor.write(type | 26);
      for (int shift = 24; shift >= 0; shift -= 8) {
        cbor.write(value >>> shift);
      }
    }
  }
}
