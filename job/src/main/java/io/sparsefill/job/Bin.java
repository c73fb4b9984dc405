package io.sparsefill.job;

import java.util.List;

/**
 * Documents that one task pre-fills, one after the other.
 *
 * @param documents longest first
 * @param seconds predicted
 */
public record Bin(List<DocumentSummary> documents, double seconds) {
  /** Copies the list. */
  public Bin {
    documents = List.copyOf(documents);
  }

  /** Tokens of all documents. */
  public long tokens() {
    return documents.stream().mapToLong(DocumentSummary::tokenCount).sum();
  }
}
