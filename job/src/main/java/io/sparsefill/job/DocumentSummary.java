package io.sparsefill.job;

import java.io.Serializable;

/**
 * All that the driver knows of a document: enough to plan it, and to write the documents row of one
 * that is not pre-filled. Its tokens stay with the tasks ({@link TokenizedCorpus}).
 *
 * @param docId unique name within a run, once {@link DuplicateIds} has passed
 * @param contentSha256 of its content, see {@link Document}
 * @param tokenCount how many tokens are pre-filled; 0 for {@code SKIPPED}, {@code FAILED} and what
 *     was done before
 * @param source where it came from; no two documents have the same
 * @param status {@code OK} and {@code TRUNCATED} are to be pre-filled, the others only get their
 *     row
 * @param error why it failed, was skipped or was cut, or null
 * @param questionTokens of what is asked about it; 0 when nothing is
 */
public record DocumentSummary(
    String docId,
    String contentSha256,
    int tokenCount,
    String source,
    DocumentStatus status,
    String error,
    int questionTokens)
    implements Serializable {

  /** A document about which nothing is asked. */
  public DocumentSummary(
      String docId,
      String contentSha256,
      int tokenCount,
      String source,
      DocumentStatus status,
      String error) {
    this(docId, contentSha256, tokenCount, source, status, error, 0);
  }

  static DocumentSummary of(TokenizedDocument document) {
    return new DocumentSummary(
        document.docId(),
        document.contentSha256(),
        document.tokenIds().length,
        document.source(),
        document.status(),
        document.error(),
        document.question() == null ? 0 : document.question().tokenIds().length);
  }

  /** Whether it goes into a bin. */
  public boolean isToPrefill() {
    return tokenCount > 0;
  }

  /** Whether an earlier run has finished it, so that it gets neither pre-fill nor row. */
  public boolean isDone() {
    return status == DocumentStatus.OK && tokenCount == 0;
  }

  /**
   * Whether it could not even be read, so that its name may be one that was made up from its place.
   */
  public boolean isUnreadable() {
    return status == DocumentStatus.FAILED
        && error.startsWith(UnreadableDocumentException.BEGINNING);
  }

  DocumentSummary failed(String reason) {
    return new DocumentSummary(docId, contentSha256, 0, source, DocumentStatus.FAILED, reason);
  }
}
