package io.sparsefill.job.output;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.Emit;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * All that decides the numbers of a run, as names and values: model checksums, shapes, RoPE,
 * attention, dtype, block size, what is emitted, tokenizer policy. Runs share an output folder only
 * when their identities are equal. The names below must be there, because the tables are read back
 * with them; a caller adds whatever else matters.
 */
public final class Identity {
  /** L, number of layers. */
  public static final String LAYERS = "layers";

  /** G, number of KV heads. */
  public static final String KV_HEADS = "kv_heads";

  /** D, elements of a head. */
  public static final String HEAD_DIM = "head_dim";

  /** {@link KvDtype#label()} of stored keys and values. */
  public static final String KV_DTYPE = "kv_dtype";

  /** Tokens of a KV block and of a row of the tokens table. */
  public static final String BLOCK_TOKENS = "block_tokens";

  /** Comma-separated {@link Emit#label()}s. */
  public static final String EMIT = "emit";

  /** How many of a document's last positions have logits. */
  public static final String LAST_POSITIONS = "last_positions";

  /** Most tokens of an answer; only where answers are emitted. */
  public static final String MAX_NEW_TOKENS = "max_new_tokens";

  private static final ObjectMapper JSON = new ObjectMapper();

  private final TreeMap<String, String> fields;

  /**
   * Takes a copy of the fields.
   *
   * @throws IllegalArgumentException when one of the names above is missing or its value cannot be
   *     read
   */
  public Identity(Map<String, String> fields) {
    this.fields = new TreeMap<>(fields);
    kvDtype();
    emit();
    for (String name : new String[] {LAYERS, KV_HEADS, HEAD_DIM, BLOCK_TOKENS, LAST_POSITIONS}) {
      number(name);
    }
    if (emit().contains(Emit.ANSWER)) {
      maxNewTokens();
    }
  }

  /** The fields, by name. */
  public Map<String, String> fields() {
    return new TreeMap<>(fields);
  }

  /** Canonical JSON: names in order, no spaces. */
  public String json() {
    try {
      return JSON.writeValueAsString(fields);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("Cannot write the identity as JSON", e);
    }
  }

  /** Hex SHA-256 of {@link #json()} in UTF-8: the {@code fingerprint} of the documents table. */
  public String fingerprint() {
    byte[] bytes = json().getBytes(StandardCharsets.UTF_8);
    return HexFormat.of().formatHex(sha256().digest(bytes));
  }

  /** Number of layers L. */
  public int layers() {
    return number(LAYERS);
  }

  /** Number of KV heads G. */
  public int kvHeads() {
    return number(KV_HEADS);
  }

  /** Elements D of a head. */
  public int headDim() {
    return number(HEAD_DIM);
  }

  /** Tokens of a block. */
  public int blockTokens() {
    return number(BLOCK_TOKENS);
  }

  /** How many of the last positions have logits. */
  public int lastPositions() {
    return number(LAST_POSITIONS);
  }

  /** Most tokens of an answer. */
  public int maxNewTokens() {
    return number(MAX_NEW_TOKENS);
  }

  /** Element type of stored keys and values. */
  public KvDtype kvDtype() {
    return KvDtype.of(text(KV_DTYPE));
  }

  /** What the run writes. */
  public Set<Emit> emit() {
    return Emit.parse(text(EMIT));
  }

  /** Bytes of one token's keys (and of its values) in one layer. */
  public int tokenBytes() {
    return kvHeads() * headDim() * kvDtype().bytes();
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java platform has SHA-256", e);
    }
  }

  private String text(String name) {
    String value = fields.get(name);
    if (value == null) {
      throw new IllegalArgumentException(
          "Cannot use this identity: '" + name + "' is missing; it has " + fields.keySet());
    }
    return value;
  }

  private int number(String name) {
    String value = text(name);
    try {
      int number = Integer.parseInt(value);
      if (number > 0) {
        return number;
      }
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "Cannot use this identity: '" + name + "' is '" + value + "', not a number", e);
    }
    throw new IllegalArgumentException(
        "Cannot use this identity: '" + name + "' is " + value + ", and must be at least 1");
  }
}
