package io.sparsefill.job.export;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * What an export did.
 *
 * @param to the format
 * @param documents how many
 * @param documentsWithoutFiles of these, how many the engine stores nothing of: they are shorter
 *     than its pieces
 * @param tokens of all of them
 * @param files in the destination, export.json not counted
 * @param bytes of these
 * @param seconds wall time
 * @param output the run's folder
 * @param dest the destination
 */
public record ExportSummary(
    String to,
    int documents,
    int documentsWithoutFiles,
    long tokens,
    int files,
    long bytes,
    double seconds,
    String output,
    String dest) {
  /** One line. */
  public String toJson() {
    ObjectNode json = new ObjectMapper().createObjectNode();
    json.put("to", to).put("documents", documents);
    json.put("documents_without_files", documentsWithoutFiles).put("tokens", tokens);
    json.put("files", files).put("bytes", bytes);
    json.put("seconds", Math.round(seconds * 10) / 10.0);
    json.put("output", output).put("dest", dest);
    return json.toString();
  }
}
