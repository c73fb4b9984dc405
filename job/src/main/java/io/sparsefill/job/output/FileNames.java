package io.sparsefill.job.output;

import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Names of published and staged files. The wave in a data file's name ties it to the documents file
 * of that wave: a data file without one is what a crash left.
 */
final class FileNames {
  static final String MANIFEST = "manifest.json";
  static final String LOCK = "_lock";
  static final String STAGING = "_staging";

  private static final Pattern RUN = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}");
  private static final Pattern DOCUMENTS = Pattern.compile("(.+)-w(\\d{5,9})\\.parquet");
  private static final Pattern DATA =
      Pattern.compile("(.+)-w(\\d{5,9})-p(\\d{5,10})-\\d{4,10}\\.parquet");

  private FileNames() {}

  /** One wave of one run. */
  record WaveKey(String runId, int wave) {}

  /** Accepts a run id that can be part of a file name. */
  static String checkRun(String runId) {
    if (!RUN.matcher(runId).matches()) {
      throw new IllegalArgumentException(
          "Cannot use run id '"
              + runId
              + "': 1 to 100 letters, digits, '.', '_', '-', starting with a letter or digit");
    }
    return runId;
  }

  static String documents(String runId, int wave) {
    return String.format(Locale.ROOT, "documents/%s-w%05d.parquet", runId, wave);
  }

  static String data(Table table, String runId, int wave, int partition, int index) {
    return String.format(
        Locale.ROOT,
        "%s/%s-w%05d-p%05d-%04d.parquet",
        table.folder(),
        runId,
        wave,
        partition,
        index);
  }

  static String staging(String runId, int wave) {
    return String.format(Locale.ROOT, "%s/%s-w%05d", STAGING, runId, wave);
  }

  static String stagedAttempt(String runId, int wave, int partition, long attempt) {
    return staging(runId, wave) + "/" + partition + "-" + attempt;
  }

  static String stagedFile(String attempt, Table table, int index) {
    return String.format(Locale.ROOT, "%s/%s/%04d.parquet", attempt, table.folder(), index);
  }

  /** The task, by its partition, that wrote a published file of another table than documents. */
  static int partition(StoredFile file) {
    Matcher matcher = DATA.matcher(file.path().substring(file.table().folder().length() + 1));
    if (!matcher.matches()) {
      throw new IllegalArgumentException("Cannot tell which task wrote " + file.path());
    }
    return Integer.parseInt(matcher.group(3));
  }

  /** The wave of a file in a table's folder; empty for a name that is not ours. */
  static Optional<WaveKey> waveOf(Table table, String name) {
    Matcher matcher = (table == Table.DOCUMENTS ? DOCUMENTS : DATA).matcher(name);
    return matcher.matches()
        ? Optional.of(new WaveKey(matcher.group(1), Integer.parseInt(matcher.group(2))))
        : Optional.empty();
  }
}
