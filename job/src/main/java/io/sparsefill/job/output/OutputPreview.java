package io.sparsefill.job.output;

import io.sparsefill.job.DocumentStatus;
import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.schema.MessageType;

/**
 * What a run of some identity would find in an output folder; seen without locking or changing
 * anything.
 *
 * @param done keys ({@link OutputFolder#doneKey}) of finished documents
 * @param runs oldest first
 */
public record OutputPreview(Set<String> done, List<Manifest.Run> runs) {
  /** Of a folder that is not there. */
  public static final OutputPreview EMPTY = new OutputPreview(Set.of(), List.of());

  /** Copies both. */
  public OutputPreview {
    done = Set.copyOf(done);
    runs = List.copyOf(runs);
  }

  /**
   * Looks at a folder.
   *
   * @return {@link #EMPTY} for one that is not there
   * @throws OutputConflict when the folder was made with another identity
   * @throws OutputRefused when it holds something else
   */
  public static OutputPreview of(Configuration conf, String path, Map<String, String> identity)
      throws IOException {
    Storage storage = OutputFolder.storage(conf, path);
    Optional<Manifest> manifest = OutputFolder.stored(storage, new Identity(identity));
    return manifest.isEmpty()
        ? EMPTY
        : new OutputPreview(done(storage, manifest.get()), manifest.get().runs());
  }

  /** Keys of all documents that are ok, truncated or skipped. */
  static Set<String> done(Storage storage, Manifest manifest) throws IOException {
    MessageType columns =
        Table.DOCUMENTS.columns("doc_id", "content_sha256", "status", "fingerprint");
    Set<String> done = new HashSet<>();
    for (StoredFile file : manifest.files(Table.DOCUMENTS)) {
      try (StoredRows reader = StoredRows.open(storage, file.path(), columns)) {
        for (Group row = reader.next(); row != null; row = reader.next()) {
          if (!StoredRows.text(row, "status").equals(DocumentStatus.FAILED.label())
              && StoredRows.text(row, "fingerprint").equals(manifest.fingerprint())) {
            done.add(
                OutputFolder.doneKey(
                    StoredRows.text(row, "doc_id"), StoredRows.text(row, "content_sha256")));
          }
        }
      }
    }
    return done;
  }
}
