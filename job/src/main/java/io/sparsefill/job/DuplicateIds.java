package io.sparsefill.job;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Sees to it that a document's name is given once in a whole input. */
final class DuplicateIds {
  private final Map<String, String> firstSource = new HashMap<>();

  /**
   * The first document of a name in source order keeps its place, whatever became of it; each later
   * one becomes an error row of its own which says where the first is. Documents that were done
   * before must be among them ({@link DocumentSummary#isDone}): else a second run would take the
   * second for the first.
   *
   * @param documents the next of the input, in source order
   * @return the same documents in the same order
   */
  List<DocumentSummary> mark(List<DocumentSummary> documents) {
    List<DocumentSummary> marked = new ArrayList<>(documents.size());
    for (DocumentSummary document : documents) {
      String first = firstSource.putIfAbsent(document.docId(), document.source());
      marked.add(
          first == null
              ? document
              : document.failed(
                  "duplicate doc_id '%s': also in %s; give every document its own name"
                      .formatted(document.docId(), first)));
    }
    return marked;
  }
}
