package io.sparsefill.job.output;

import io.sparsefill.job.DocumentRow;
import java.io.Serializable;
import java.util.List;

/**
 * What one successful task attempt hands to the driver; nothing of it is visible before {@link
 * OutputFolder#commitWave}.
 *
 * @param partition the task's partition, part of the published file names
 * @param files staged files, complete and closed
 * @param documents rows of the documents the task had
 * @param startedMillis when the attempt began, milliseconds since 1970
 */
public record TaskOutput(
    int partition, List<StoredFile> files, List<DocumentRow> documents, long startedMillis)
    implements Serializable {
  /** Rows of documents that never reached a task (skipped, unreadable, duplicate); no files. */
  public static TaskOutput ofDocuments(List<DocumentRow> documents) {
    return new TaskOutput(-1, List.of(), List.copyOf(documents), System.currentTimeMillis());
  }
}
