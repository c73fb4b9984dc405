package io.sparsefill.job.output;

import io.sparsefill.job.TextTable;
import io.sparsefill.kernels.KvDtype;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * What an output folder holds.
 *
 * @param output the folder
 * @param manifest its manifest
 * @param documents documents by status; one that failed and later succeeded is no longer failed
 * @param sizes of the tables
 * @param density share of score tiles that was computed, over finished documents
 * @param prefillSeconds sum over finished documents
 * @param errors the first of documents that never succeeded
 * @param writer the run that writes now, or null
 */
public record InspectionReport(
    String output,
    Manifest manifest,
    Map<String, Long> documents,
    Map<Table, Size> sizes,
    Spread density,
    double prefillSeconds,
    List<String> errors,
    String writer) {
  /** How many errors are listed. */
  static final int ERRORS = 5;

  /** A table's size. */
  public record Size(long files, long rows, long bytes) {}

  /** Count, mean and range of some numbers. */
  public static final class Spread {
    private long count;
    private double sum;
    private double min = Double.POSITIVE_INFINITY;
    private double max = Double.NEGATIVE_INFINITY;

    void add(double value) {
      count++;
      sum += value;
      min = Math.min(min, value);
      max = Math.max(max, value);
    }

    /** How many. */
    public long count() {
      return count;
    }

    /** Their mean; NaN when there are none. */
    public double mean() {
      return sum / count;
    }

    /** The smallest; infinite when there are none. */
    public double min() {
      return min;
    }

    /** The largest; negative infinite when there are none. */
    public double max() {
      return max;
    }
  }

  /** Tokens of finished documents. */
  public long tokens() {
    return manifest.runs().stream()
        .flatMap(run -> run.waves().stream())
        .mapToLong(Manifest.Wave::tokens)
        .sum();
  }

  /** Wall time of all waves that were pre-filled. */
  public double seconds() {
    return manifest.runs().stream()
        .filter(Manifest.Run::prefills)
        .mapToDouble(InspectionReport::seconds)
        .sum();
  }

  /** Pre-filled tokens per second of that; 0 when nothing ran. */
  public double tokensPerSecond() {
    long tokens =
        manifest.runs().stream()
            .filter(Manifest.Run::prefills)
            .flatMap(run -> run.waves().stream())
            .mapToLong(Manifest.Wave::tokens)
            .sum();
    return seconds() == 0 ? 0 : tokens / seconds();
  }

  /** What keys and values cost; empty where the folder has none. */
  public Optional<KvCost> kvCost(KvCost.Prices prices) {
    long bytes = sizes.get(Table.KV).bytes();
    if (bytes == 0 || tokens() == 0) {
      return Optional.empty();
    }
    Identity identity = new Identity(manifest.identity());
    long bf16 =
        2L * identity.layers() * KvDtype.BF16.tokenBytes(identity.kvHeads(), identity.headDim());
    return Optional.of(new KvCost(bytes, tokens(), bf16, prefillSeconds, prices));
  }

  /** The report as lines of text. */
  public String text() {
    List<String> lines = new ArrayList<>();
    lines.add("output       " + output);
    lines.add("fingerprint  " + manifest.fingerprint());
    lines.add("documents    " + documents);
    lines.add(
        format(
            "tokens       %,d in %.1f s: %,.0f tokens/s (%.1f s of pre-fill over all tasks)",
            tokens(), seconds(), tokensPerSecond(), prefillSeconds));
    if (density.count() > 0) {
      lines.add(
          format(
              "density      mean %.4f, from %.4f to %.4f",
              density.mean(), density.min(), density.max()));
    }
    if (writer != null) {
      lines.add("in use by    run " + writer);
    }
    lines.add("");
    TextTable tables = new TextTable("table", "files", "rows", "bytes");
    sizes.forEach(
        (table, size) ->
            tables.add(
                table.folder(),
                format("%,d", size.files()),
                format("%,d", size.rows()),
                format("%,d", size.bytes())));
    lines.addAll(tables.lines());
    lines.add("");
    TextTable runs =
        new TextTable("run", "started", "waves", "documents", "tokens", "seconds", "idle");
    for (Manifest.Run run : manifest.runs()) {
      if (run.waves().isEmpty()) {
        continue; // history shows them
      }
      runs.add(
          run.runId(),
          run.started(),
          format("%,d", run.waves().size()),
          format(
              "%,d",
              run.waves().stream()
                  .flatMap(wave -> wave.documents().values().stream())
                  .mapToLong(Long::longValue)
                  .sum()),
          format("%,d", run.waves().stream().mapToLong(Manifest.Wave::tokens).sum()),
          format("%.1f", seconds(run)),
          run.throughput() == null ? "" : format("%.1f %%", 100 * run.throughput().idle()));
    }
    lines.addAll(runs.lines());
    errors.forEach(error -> lines.add("error: " + error));
    return String.join("\n", lines);
  }

  private static double seconds(Manifest.Run run) {
    return run.waves().stream().mapToDouble(Manifest.Wave::seconds).sum();
  }

  private static String format(String pattern, Object... values) {
    return String.format(Locale.ROOT, pattern, values);
  }
}
