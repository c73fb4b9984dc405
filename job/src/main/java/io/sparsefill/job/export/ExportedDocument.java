package io.sparsefill.job.export;

import java.io.Serializable;
import java.util.List;

/**
 * What one task has written of one document, still aside.
 *
 * @param docId the document
 * @param runId the run of its content
 * @param tokens T
 * @param staged folder of the files, below the destination
 * @param files in the order in which they were made
 */
record ExportedDocument(
    String docId, String runId, int tokens, String staged, List<ExportedFile> files)
    implements Serializable {
  /**
   * One file.
   *
   * @param path below the destination, and below {@link ExportedDocument#staged()}
   * @param bytes its length
   * @param shared whether another document may have it too
   */
  record ExportedFile(String path, long bytes, boolean shared) implements Serializable {}
}
