package io.sparsefill.job.output;

import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import java.io.IOException;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.schema.MessageType;

/**
 * The documents that an output folder holds finished (ok, truncated or skipped), each with its
 * newest content: the one that readers take, and the only one that needs no other pre-fill. A
 * document whose text went back to an older content is not finished, since readers would take the
 * content between.
 */
final class FinishedDocuments {
  private final Map<String, Newest> newest = new HashMap<>();

  private FinishedDocuments() {}

  private record Newest(String runId, String contentSha256) {}

  /** Reads the documents table. */
  static FinishedDocuments of(Storage storage, Manifest manifest) throws IOException {
    MessageType columns =
        Table.DOCUMENTS.columns("doc_id", "content_sha256", "status", "fingerprint", "run_id");
    FinishedDocuments finished = new FinishedDocuments();
    for (StoredFile file : manifest.files(Table.DOCUMENTS)) {
      try (StoredRows reader = StoredRows.open(storage, file.path(), columns)) {
        for (Group row = reader.next(); row != null; row = reader.next()) {
          if (!StoredRows.text(row, "status").equals(DocumentStatus.FAILED.label())
              && StoredRows.text(row, "fingerprint").equals(manifest.fingerprint())) {
            finished.add(
                StoredRows.text(row, "doc_id"),
                StoredRows.text(row, "content_sha256"),
                StoredRows.text(row, "run_id"));
          }
        }
      }
    }
    return finished;
  }

  private void add(String docId, String contentSha256, String runId) {
    newest.merge(
        docId,
        new Newest(runId, contentSha256),
        (known, next) -> next.runId().compareTo(known.runId()) >= 0 ? next : known);
  }

  /** Adds what a run has committed. */
  void add(List<DocumentRow> rows) {
    for (DocumentRow row : rows) {
      if (row.status() != DocumentStatus.FAILED) {
        add(row.docId(), row.contentSha256(), row.runId());
      }
    }
  }

  /** How many pre-filled documents among rows have a name that is here. */
  long replacedBy(List<DocumentRow> rows) {
    return rows.stream()
        .filter(row -> row.status().isPrefilled() && newest.containsKey(row.docId()))
        .count();
  }

  /** Keys ({@link OutputFolder#doneKey}) of the newest contents. */
  Set<String> keys() {
    Set<String> keys = new HashSet<>();
    newest.forEach(
        (docId, content) -> keys.add(OutputFolder.doneKey(docId, content.contentSha256())));
    return keys;
  }

  /** Names of the documents. */
  Set<String> ids() {
    return Collections.unmodifiableSet(newest.keySet());
  }
}
