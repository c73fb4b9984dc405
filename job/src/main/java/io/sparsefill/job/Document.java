package io.sparsefill.job;

import java.io.Serializable;

/**
 * One input document as it was read. Exactly one of {@code text}, {@code tokenIds} and {@code
 * error} is not null.
 *
 * @param docId unique name within a run
 * @param source where it came from: file, and line or row
 * @param contentSha256 hex SHA-256 of the text's UTF-8 bytes (without a byte-order mark), or of the
 *     token ids as little-endian int32; of the raw bytes for a document that cannot be read; with a
 *     question, of that hash and the question's, in hex, one after the other
 * @param text the text, without a byte-order mark, line ends as they are
 * @param tokenIds token ids that the input already held
 * @param error why it cannot be pre-filled
 * @param question what is asked about it, or null
 */
@SuppressWarnings("ArrayRecordComponent") // carried from reading to tokenising, never compared
public record Document(
    String docId,
    String source,
    String contentSha256,
    String text,
    int[] tokenIds,
    String error,
    String question)
    implements Serializable {
  /** A document about which nothing is asked. */
  Document(
      String docId,
      String source,
      String contentSha256,
      String text,
      int[] tokenIds,
      String error) {
    this(docId, source, contentSha256, text, tokenIds, error, null);
  }
}
