package io.sparsefill.job.export;

import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/**
 * The name of a document's file. A document's id can be any text, also a path or URI; letters,
 * digits, {@code . _ -} stay as they are and every other byte of its UTF-8 becomes {@code %XX}, so
 * different documents have different names.
 */
final class DocumentFile {
  /** File systems take 255 bytes; this leaves room for an ending and a shard's number. */
  private static final int LONGEST = 200;

  private static final HexFormat HEX = HexFormat.of().withUpperCase();

  private DocumentFile() {}

  /**
   * The name without an ending. A long one is cut, and {@code ~} and a part of the id's SHA-256
   * follow.
   */
  static String name(String docId) {
    StringBuilder name = new StringBuilder();
    byte[] id = docId.getBytes(StandardCharsets.UTF_8);
    for (byte b : id) {
      // A leading dot would hide the file, from Hadoop's listings too, as a leading "_" would.
      boolean plain =
          b >= 'a' && b <= 'z'
              || b >= 'A' && b <= 'Z'
              || b >= '0' && b <= '9'
              || !name.isEmpty() && (b == '.' || b == '_')
              || b == '-';
      name.append(plain ? String.valueOf((char) b) : "%" + HEX.toHexDigits(b));
    }
    if (name.length() <= LONGEST) {
      return name.toString();
    }
    String hash = HexFormat.of().formatHex(Sha256Tokens.sha256().digest(id), 0, 16);
    return name.substring(0, LONGEST - hash.length() - 1) + "~" + hash;
  }
}
