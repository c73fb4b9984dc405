package io.sparsefill.job.output;

import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;

/**
 * The files that one task wrote in a wave, and which of their documents stay. Copying gives staged
 * files with the rows of those, cell by cell as they are and in their order, under the name of
 * another run; so a reader that joins by document and run never finds rows of both.
 *
 * @param partition of the task
 * @param files of all tables but documents
 * @param documents that stay
 */
record FileCopy(int partition, List<StoredFile> files, Set<String> documents)
    implements Serializable {

  /**
   * Copies.
   *
   * @param runId the other run
   * @param wave its wave
   * @param attempt unique among attempts to do this
   */
  TaskOutput to(Storage storage, String runId, int wave, long attempt) throws IOException {
    long started = System.currentTimeMillis();
    String folder = FileNames.stagedAttempt(runId, wave, partition, attempt);
    List<StoredFile> copies = new ArrayList<>();
    for (int i = 0; i < files.size(); i++) {
      StoredFile file = files.get(i);
      String target = FileNames.stagedFile(folder, file.table(), i);
      copy(storage, file, target, runId).ifPresent(copies::add);
    }
    return new TaskOutput(partition, List.copyOf(copies), List.of(), started);
  }

  /** Empty when no row stays. */
  private Optional<StoredFile> copy(Storage storage, StoredFile file, String target, String runId)
      throws IOException {
    try (StoredRows rows = StoredRows.open(storage, file.path(), file.table().parquet())) {
      Group first = next(rows);
      if (first == null) {
        return Optional.empty();
      }
      // What else the footer says, of the cells' encoding for instance, holds for the copies too.
      Map<String, String> metadata = new TreeMap<>(StoredRows.metadata(storage, file.path()));
      metadata.put(ManifestStore.RUN_ID, runId);
      CompressionCodecName codec = StoredRows.codec(storage, file.path());
      int pageRows =
          file.table() == Table.KV
              ? TableFile.pageRows(2L * first.getBinary("key", 0).length())
              : TableFile.PAGE_ROWS;
      TableFile<Group> copy =
          new TableFile<>(
              storage, target, file.table(), RowWriter.copy(runId), codec, metadata, pageRows);
      try (copy) {
        for (Group row = first; row != null; row = next(rows)) {
          copy.write(row);
        }
      }
      return Optional.of(copy.stored(storage));
    }
  }

  private Group next(StoredRows rows) throws IOException {
    Group row = rows.next();
    while (row != null && !documents.contains(row.getString("doc_id", 0))) {
      row = rows.next();
    }
    return row;
  }
}
