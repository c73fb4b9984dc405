package io.sparsefill.job.output;

import java.security.SecureRandom;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.time.temporal.ChronoUnit;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Names of runs: the time in UTC to the second, and a random part. Of a document's contents the one
 * of the last run in the order of names counts, so names of one folder must ascend, whatever the
 * clocks of the machines say.
 */
final class RunIds {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'", Locale.ROOT).withZone(ZoneOffset.UTC);
  private static final int TIME_LENGTH = 16;

  private RunIds() {}

  /** A name behind those of all runs: of this second, or of the one after the newest run's. */
  static String next(Instant now, List<Manifest.Run> runs) {
    byte[] random = new byte[3];
    new SecureRandom().nextBytes(random);
    Instant least = newest(runs).flatMap(RunIds::time).map(t -> t.plusSeconds(1)).orElse(now);
    Instant time = now.truncatedTo(ChronoUnit.SECONDS).isBefore(least) ? least : now;
    return TIME.format(time) + "-" + HexFormat.of().formatHex(random);
  }

  /**
   * Checks that a run's name sorts behind all others.
   *
   * @throws OutputRefused when it does not: another run has come between
   */
  static void checkNewest(String runId, List<Manifest.Run> runs, String root) throws OutputRefused {
    Optional<String> newest = newest(runs);
    if (newest.isPresent() && newest.get().compareTo(runId) >= 0) {
      throw new OutputRefused(
          "Cannot add run %s to %s: it has run %s, whose name is not before that; start again"
              .formatted(runId, root, newest.get()));
    }
  }

  private static Optional<String> newest(List<Manifest.Run> runs) {
    return runs.stream().map(Manifest.Run::runId).max(Comparator.naturalOrder());
  }

  /** The time in a name; empty for a name that was made otherwise. */
  private static Optional<Instant> time(String runId) {
    if (runId.length() < TIME_LENGTH) {
      return Optional.empty();
    }
    try {
      return Optional.of(TIME.parse(runId.substring(0, TIME_LENGTH), Instant::from));
    } catch (DateTimeParseException e) {
      return Optional.empty();
    }
  }
}
