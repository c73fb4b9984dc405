package io.sparsefill.job;

import io.sparsefill.udf.text.TextTokenizer;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/**
 * A document's text, checked: UTF-8 without errors, without NUL, not empty. A byte-order mark at
 * its beginning is no part of it; line ends stay as they are.
 *
 * @param text the text
 * @param sha256 hex SHA-256 of its UTF-8 bytes
 */
record DocumentText(String text, String sha256) {
  /**
   * The longest text in UTF-8 bytes: a Java string holds at most 2^30 - 1 characters when one of
   * them is beyond Latin-1.
   */
  static final int MAX_BYTES = (1 << 30) - 1;

  private static final char BYTE_ORDER_MARK = '\uFEFF';
  private static final int DECODE_CHARS = 8192;

  /**
   * Reads bytes {@code from} (inclusive) to {@code to} (exclusive). Offsets in errors count from
   * {@code from}, with the byte-order mark if there is one.
   *
   * @throws UnreadableDocumentException if they are not such a text; names the byte offset
   */
  static DocumentText decode(byte[] bytes, int from, int to) throws UnreadableDocumentException {
    refuseUtf16(bytes, from, to);
    int start = from + byteOrderMarkLength(bytes, from, to);
    if (start == to) {
      throw new UnreadableDocumentException("it is empty");
    }
    requireUtf8(bytes, from, start, to);
    return new DocumentText(
        new String(bytes, start, to - start, StandardCharsets.UTF_8),
        ContentHash.of(bytes, start, to));
  }

  /**
   * Checks a text that a parser made, where escapes can hide what {@link #decode} refuses.
   *
   * @throws UnreadableDocumentException names the character's index
   */
  static DocumentText of(String parsed) throws UnreadableDocumentException {
    boolean marked = !parsed.isEmpty() && parsed.charAt(0) == BYTE_ORDER_MARK;
    String text = marked ? parsed.substring(1) : parsed;
    if (text.isEmpty()) {
      throw new UnreadableDocumentException("it is empty");
    }
    int nul = text.indexOf(0);
    int half = TextTokenizer.unpairedSurrogate(text);
    if (nul >= 0 && (half < 0 || nul < half)) {
      throw new UnreadableDocumentException(
          "character %d of the text is NUL; remove it".formatted(nul));
    }
    if (half >= 0) {
      throw new UnreadableDocumentException(
          "character %d of the text is an unpaired surrogate (U+%04X); remove it"
              .formatted(half, (int) text.charAt(half)));
    }
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    return new DocumentText(text, ContentHash.of(utf8, 0, utf8.length));
  }

  /** 3 if the bytes begin with UTF-8's byte-order mark, else 0. */
  static int byteOrderMarkLength(byte[] bytes, int from, int to) {
    boolean marked =
        to - from >= 3
            && bytes[from] == (byte) 0xEF
            && bytes[from + 1] == (byte) 0xBB
            && bytes[from + 2] == (byte) 0xBF;
    return marked ? 3 : 0;
  }

  /**
   * Refuses a UTF-16 or UTF-32 byte-order mark at {@code from}.
   *
   * @throws UnreadableDocumentException if there is one
   */
  static void refuseUtf16(byte[] bytes, int from, int to) throws UnreadableDocumentException {
    if (to - from < 2) {
      return;
    }
    int first = (bytes[from] & 0xFF) << 8 | (bytes[from + 1] & 0xFF);
    if (first == 0xFEFF || first == 0xFFFE) {
      throw new UnreadableDocumentException(
          ("it begins with the byte-order mark %02X %02X, thus is UTF-16 or UTF-32; "
                  + "convert it to UTF-8")
              .formatted(first >> 8, first & 0xFF));
    }
  }

  /**
   * Checks bytes {@code start} to {@code end}: no NUL, and UTF-8 by the letter (no overlong forms,
   * no surrogates).
   *
   * @param origin where the offsets in errors count from
   * @throws UnreadableDocumentException names the offset of the first byte that is wrong
   */
  static void requireUtf8(byte[] bytes, int origin, int start, int end)
      throws UnreadableDocumentException {
    for (int i = start; i < end; i++) {
      if (bytes[i] == 0) {
        throw new UnreadableDocumentException(
            "byte %d is NUL; it is not a text, or UTF-16: convert it to UTF-8"
                .formatted(i - origin));
      }
    }
    CharsetDecoder decoder =
        StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT);
    ByteBuffer in = ByteBuffer.wrap(bytes, start, end - start);
    // The characters are thrown away: new String() then decodes in one pass into the compact form,
    // where a decoder would need two bytes for each character.
    CharBuffer out = CharBuffer.allocate(DECODE_CHARS);
    CoderResult result;
    do {
      out.clear();
      result = decoder.decode(in, out, true);
    } while (result.isOverflow());
    if (result.isError()) {
      throw new UnreadableDocumentException(
          "byte %d (0x%02X) is not valid UTF-8; convert it to UTF-8"
              .formatted(in.position() - origin, bytes[in.position()] & 0xFF));
    }
  }
}
