package io.sparsefill.job;

import java.util.Locale;

/** What became of a document; the {@code status} column of the documents table. */
public enum DocumentStatus {
  /** Pre-filled as it is. */
  OK,
  /** Pre-filled up to {@code --max-tokens}. */
  TRUNCATED,
  /** Left out by {@code --on-too-long skip}. */
  SKIPPED,
  /** Could not be read, tokenised or pre-filled; the error says why. */
  FAILED;

  /** Whether the document's rows of the other tables count. */
  public boolean isPrefilled() {
    return this == OK || this == TRUNCATED;
  }

  /** The column's value: the name in lower case. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
