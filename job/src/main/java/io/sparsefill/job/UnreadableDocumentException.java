package io.sparsefill.job;

import java.io.FileNotFoundException;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;

/**
 * A document, or a part of the input in which documents should be, cannot be read. It never leaves
 * reading: it becomes an error row ({@link #toDocument}), and everything else is read on.
 */
final class UnreadableDocumentException extends Exception {
  /** What the error of every such document begins with. */
  static final String BEGINNING = "Cannot read ";

  private static final long serialVersionUID = 1L;

  /**
   * @param reason what is wrong and what to do, without the place, which whoever catches this knows
   */
  UnreadableDocumentException(String reason) {
    super(reason);
  }

  private UnreadableDocumentException(String reason, Exception cause) {
    super(reason, cause);
  }

  /**
   * What a file system, codec or parser threw, as a reason: its message with those of its causes.
   *
   * @throws TaskKilledException if Spark is ending the task: then reading was not at fault
   */
  static UnreadableDocumentException of(Exception thrown) {
    TaskContext task = TaskContext.get();
    if (task != null && task.isInterrupted()) {
      throw new TaskKilledException("killed while reading");
    }
    if (thrown instanceof UnreadableDocumentException already) {
      return already;
    }
    StringBuilder reason = new StringBuilder();
    for (Throwable t = thrown; t != null; t = t.getCause()) {
      String message = t.getMessage();
      String text = message == null ? t.getClass().getSimpleName() : message.strip();
      // FileNotFoundException's message is often the bare path.
      String named = t instanceof FileNotFoundException ? "file not found: " + text : text;
      if (reason.indexOf(named) < 0) {
        reason.append(reason.isEmpty() ? "" : ": ").append(named);
      }
    }
    return new UnreadableDocumentException(reason.toString(), thrown);
  }

  /**
   * The error row.
   *
   * @param docId the document's name, or one derived from the place
   * @param source the place: file, and byte offset or row
   * @param contentSha256 of what could be read, see {@link Document}
   */
  Document toDocument(String docId, String source, String contentSha256) {
    return new Document(
        docId,
        source,
        contentSha256,
        null,
        null,
        BEGINNING + "%s: %s".formatted(source, getMessage()));
  }
}
