package io.sparsefill.job.export;

import java.io.IOException;
import java.io.OutputStream;

/**
 * Where the files of one document go. They are written aside; all documents' files appear under the
 * destination when the whole export is complete, none before.
 */
interface ExportFolder {
  /**
   * A new file of this document alone.
   *
   * @param path below the destination, with {@code /} between folders
   * @return buffered; the caller closes it
   */
  OutputStream create(String path) throws IOException;

  /**
   * A file whose name says what it holds (a hash of tokens), so that documents with equal
   * beginnings have it in common: of several documents' files the one of the first document is
   * kept.
   *
   * @param path below the destination
   * @return buffered; the caller closes it
   */
  OutputStream createShared(String path) throws IOException;
}
