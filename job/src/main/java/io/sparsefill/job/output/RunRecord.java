package io.sparsefill.job.output;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a run did, in sums; kept when its waves are not.
 *
 * @param ended ISO-8601, UTC
 * @param outcome {@link #DONE}, {@link #TOO_MANY_ERRORS} or {@link #CUT_OFF}
 * @param documents committed rows by status
 * @param changed pre-filled documents of which the folder held an older content
 * @param unchanged documents of the input that were finished before; null of a run that did not say
 *     so, because it was cut off
 * @param tokens pre-filled
 * @param bytes of all files that were committed
 * @param seconds wall time; of a run that was cut off, up to its last commit
 * @param errors failed documents by kind, see {@link ErrorKind}
 */
public record RunRecord(
    String ended,
    String outcome,
    Map<String, Long> documents,
    long changed,
    @JsonInclude(JsonInclude.Include.NON_NULL) Long unchanged,
    long tokens,
    long bytes,
    double seconds,
    @JsonInclude(JsonInclude.Include.NON_EMPTY) Map<String, Long> errors) {
  /** The run went through its whole input. */
  public static final String DONE = "done";

  /** It ended because more documents failed than {@code --max-error-rate} allows. */
  public static final String TOO_MANY_ERRORS = "too many errors";

  /** It did not come to its end. */
  public static final String CUT_OFF = "cut off";

  /** Copies the maps; absent ones are empty. */
  public RunRecord {
    documents = Map.copyOf(documents);
    errors = errors == null ? Map.of() : Map.copyOf(errors);
  }

  /** Pre-filled documents. */
  public long ok() {
    return documents.getOrDefault("ok", 0L) + documents.getOrDefault("truncated", 0L);
  }

  /** Failed documents. */
  public long failed() {
    return documents.getOrDefault("failed", 0L);
  }

  /** The same of a run whose waves are copies: it has pre-filled nothing. */
  RunRecord ofCopies() {
    return new RunRecord(ended, outcome, Map.of(), 0, unchanged, 0, bytes, seconds, Map.of());
  }

  /** Of a run that is under way or was cut off: what its waves say. */
  static RunRecord ofWaves(String started, List<Manifest.Wave> waves) {
    String ended = waves.isEmpty() ? started : waves.get(waves.size() - 1).finished();
    Duration wall = Duration.between(Instant.parse(started), Instant.parse(ended));
    double seconds = Math.max(0, wall.toMillis() / 1000.0);
    return of(ended, CUT_OFF, null, seconds, waves);
  }

  /** The sums over waves, with what only the run itself knows. */
  static RunRecord of(
      String ended, String outcome, Long unchanged, double seconds, List<Manifest.Wave> waves) {
    Map<String, Long> documents = new TreeMap<>();
    Map<String, Long> errors = new TreeMap<>();
    long changed = 0;
    long tokens = 0;
    long bytes = 0;
    for (Manifest.Wave wave : waves) {
      wave.documents().forEach((status, count) -> documents.merge(status, count, Long::sum));
      wave.errors().forEach((kind, count) -> errors.merge(kind, count, Long::sum));
      changed += wave.changed();
      tokens += wave.tokens();
      bytes += wave.files().stream().mapToLong(StoredFile::bytes).sum();
    }
    return new RunRecord(
        ended, outcome, documents, changed, unchanged, tokens, bytes, seconds, errors);
  }
}
