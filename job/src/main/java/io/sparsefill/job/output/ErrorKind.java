package io.sparsefill.job.output;

import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Kinds of errors: the first clause of a document's error without what is the document's own, its
 * name and source, quoted words, paths and numbers. So a thousand documents that are too long are
 * one kind.
 */
final class ErrorKind {
  private static final int LONGEST = 100;

  /** Kinds of one wave that are kept apart; what comes after them is {@link #OTHER}. */
  private static final int MOST = 20;

  private static final String OTHER = "other errors";

  /** Of a failed row that says nothing, which {@code verify} complains about. */
  private static final String NONE = "no reason given";

  private ErrorKind() {}

  /** How many documents failed, by kind. */
  static Map<String, Long> count(List<DocumentRow> rows) {
    Map<String, Long> kinds = new TreeMap<>();
    for (DocumentRow row : rows) {
      if (row.status() == DocumentStatus.FAILED) {
        String kind = of(row);
        boolean full = kinds.size() >= MOST && !kinds.containsKey(kind);
        kinds.merge(full ? OTHER : kind, 1L, Long::sum);
      }
    }
    return kinds;
  }

  static String of(DocumentRow row) {
    if (row.error() == null) {
      return NONE;
    }
    String own = row.source().isEmpty() ? row.error() : row.error().replace(row.source(), "…");
    String kind =
        own.replaceFirst(";.*", "")
            .replaceAll("'[^']*'", "…")
            .replaceAll("\\S*/\\S*", "…")
            .replaceAll("[0-9][0-9.,]*", "N")
            .replaceAll("\\s+", " ")
            .strip();
    return kind.length() <= LONGEST ? kind : kind.substring(0, LONGEST - 1) + "…";
  }
}
