package io.sparsefill.job.output;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.job.output.RetentionPlan.WavePlan;
import java.time.Duration;
import java.util.Locale;

/**
 * What a retention removed, or would remove.
 *
 * @param output the folder
 * @param planned whether nothing was done
 * @param grace after which the documents files of the old waves are deleted, and after as long
 *     again the others
 * @param documents pre-filled contents that are not part of the output any more
 * @param copied waves of which something stays
 * @param dropped waves of which nothing stays
 * @param oldBytes of the files of both
 * @param newBytes of the copies
 * @param deletedBytes of files whose time had come, those of earlier retentions among them
 */
public record RetentionReport(
    String output,
    boolean planned,
    Duration grace,
    long documents,
    int copied,
    int dropped,
    long oldBytes,
    long newBytes,
    long deletedBytes) {
  static RetentionReport planned(String output, Duration grace) {
    return new RetentionReport(output, true, grace, 0, 0, 0, 0, 0, 0);
  }

  static RetentionReport done(String output, Duration grace) {
    return new RetentionReport(output, false, grace, 0, 0, 0, 0, 0, 0);
  }

  RetentionReport plus(WavePlan wave, long bytes) {
    boolean stays = wave.kept() > 0;
    return new RetentionReport(
        output,
        planned,
        grace,
        documents + wave.removed(),
        copied + (stays ? 1 : 0),
        dropped + (stays ? 0 : 1),
        oldBytes + wave.bytes(),
        newBytes + bytes,
        deletedBytes);
  }

  RetentionReport withDeleted(long bytes) {
    return new RetentionReport(
        output, planned, grace, documents, copied, dropped, oldBytes, newBytes, bytes);
  }

  /** Whether waves were taken out or files deleted. */
  boolean hasChanged() {
    return copied + dropped > 0 || deletedBytes > 0;
  }

  /** For people. */
  public String text() {
    if (copied + dropped == 0) {
      return deletedBytes == 0
          ? "Nothing is superseded."
          : format("Nothing is superseded; %,d bytes of earlier ones are deleted.", deletedBytes);
    }
    String what =
        format(
            "%,d superseded contents in %,d waves of %,d bytes",
            documents, copied + dropped, oldBytes);
    if (planned) {
      return format(
          "Would remove %s: %,d waves go, what stays of %,d is copied.", what, dropped, copied);
    }
    String old =
        grace.isZero()
            ? format("The old files are deleted, %,d bytes.", deletedBytes)
            : format(
                "The first run or retain after %s deletes the old documents files, after %s the others; now %,d bytes of earlier ones were deleted.",
                time(grace), time(grace.multipliedBy(2)), deletedBytes);
    return format(
        "Removed %s: %,d waves are gone, what stays of %,d was copied into %,d bytes. %s",
        what, dropped, copied, newBytes, old);
  }

  private static String time(Duration time) {
    boolean hours = time.toSeconds() % 3600 == 0;
    return hours ? format("%,d hours", time.toHours()) : format("%,d s", time.toSeconds());
  }

  /** The one line that ends standard output. */
  public ObjectNode json() {
    ObjectNode json = new ObjectMapper().createObjectNode();
    json.put("removed", documents).put("waves_copied", copied).put("waves_dropped", dropped);
    json.put("old_bytes", oldBytes).put("new_bytes", newBytes).put("deleted_bytes", deletedBytes);
    json.put("grace_seconds", grace.toSeconds()).put("dry_run", planned);
    return json.put("output", output);
  }

  private static String format(String pattern, Object... values) {
    return String.format(Locale.ROOT, pattern, values);
  }
}
