package io.sparsefill.job.output;

import io.sparsefill.job.TextTable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What {@link Verification} found.
 *
 * @param checks one line each
 * @param problems the first of every check
 * @param samples documents that were pre-filled again
 * @param notes what is worth knowing and no problem
 */
public record VerifyReport(
    List<Check> checks, List<Problem> problems, List<Sample> samples, List<String> notes) {
  /**
   * One thing that was checked.
   *
   * @param name what
   * @param examined how many files, documents, rows or blocks
   * @param problems how many of them are wrong
   */
  public record Check(String name, long examined, long problems) {}

  /**
   * Something wrong.
   *
   * @param check its {@link Check#name}
   * @param docId document, or null
   * @param runId run, or null
   * @param layer layer, or null
   * @param block block, or null
   * @param message what is wrong
   */
  public record Problem(
      String check, String docId, String runId, Integer layer, Integer block, String message) {
    /** One line: where, and what. */
    public String text() {
      StringBuilder text = new StringBuilder(check).append(": ");
      if (docId != null) {
        text.append('\'').append(docId).append('\'');
        text.append(runId == null ? "" : " of run " + runId);
        text.append(layer == null ? "" : ", layer " + layer);
        text.append(block == null ? "" : ", block " + block);
        text.append(": ");
      }
      return text.append(message).toString();
    }
  }

  /**
   * One document that was pre-filled again.
   *
   * @param docId the document
   * @param tokens T
   * @param blocks KV blocks compared
   * @param identicalBlocks of them, those with the same bytes
   * @param kvDifference the largest relative difference (Frobenius) over layers, of keys or values
   * @param logprobDifference the largest difference of a stored log-probability, nats
   */
  public record Sample(
      String docId,
      int tokens,
      long blocks,
      long identicalBlocks,
      double kvDifference,
      double logprobDifference) {}

  /** Whether nothing is wrong. */
  public boolean ok() {
    return checks.stream().allMatch(check -> check.problems() == 0);
  }

  /** The report as lines of text. */
  public String text() {
    TextTable table = new TextTable("check", "examined", "problems");
    for (Check check : checks) {
      table.add(check.name(), grouped(check.examined()), grouped(check.problems()));
    }
    List<String> lines = new ArrayList<>(table.lines());
    if (!samples.isEmpty()) {
      TextTable again =
          new TextTable("pre-filled again", "tokens", "blocks", "identical", "kv diff", "logprob");
      for (Sample sample : samples) {
        again.add(
            sample.docId(),
            grouped(sample.tokens()),
            grouped(sample.blocks()),
            grouped(sample.identicalBlocks()),
            String.format(Locale.ROOT, "%.1e", sample.kvDifference()),
            String.format(Locale.ROOT, "%.1e", sample.logprobDifference()));
      }
      lines.add("");
      lines.addAll(again.lines());
    }
    problems.forEach(problem -> lines.add("problem: " + problem.text()));
    notes.forEach(note -> lines.add("note: " + note));
    lines.add(ok() ? "All is well." : "There are problems.");
    return String.join("\n", lines);
  }

  private static String grouped(long number) {
    return String.format(Locale.ROOT, "%,d", number);
  }
}
