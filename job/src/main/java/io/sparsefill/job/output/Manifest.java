package io.sparsefill.job.output;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.sparsefill.job.DocumentRow;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * {@code manifest.json}: what an output folder holds. It is an index for people and programs; the
 * truth are the documents files, from which it can be made again ({@link ManifestStore}).
 *
 * @param formatVersion of the tables and of this file; {@link #FORMAT_VERSION} once this program
 *     has written
 * @param fingerprint hex SHA-256 of the identity's canonical JSON
 * @param identity all that decides the numbers, see {@link Identity}
 * @param runs oldest first; of those without waves the newest {@value #MOST_EMPTY_RUNS}
 * @param retired waves that are no more part of the output, but whose files are still there
 * @param earlier sums of runs without waves before those; null when there are none
 */
public record Manifest(
    int formatVersion,
    String fingerprint,
    Map<String, String> identity,
    List<Run> runs,
    @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Retired> retired,
    @JsonInclude(JsonInclude.Include.NON_NULL) RunSums earlier) {
  /** Setting of a run that was another command than {@code run}. */
  static final String COMMAND = "command";

  /**
   * The version that this program writes. Version 2 knows fp8, and cells of the kv table that are
   * encoded ({@code encoding}); version 1 is read as well, and continued in version 2.
   */
  public static final int FORMAT_VERSION = 2;

  /** The oldest version that this program reads. */
  private static final int OLDEST_VERSION = 1;

  /**
   * Runs without waves, such as those that found nothing to do, that are kept one by one. More are
   * added up, so that a schedule does not make the manifest grow for ever: a run takes about half a
   * KiB.
   */
  static final int MOST_EMPTY_RUNS = 1000;

  /** Names in snake case, indented. */
  static final ObjectMapper JSON =
      JsonMapper.builder()
          .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .enable(SerializationFeature.INDENT_OUTPUT)
          .build();

  /** Absent retired waves, of an earlier version, are none. */
  public Manifest {
    retired = retired == null ? List.of() : List.copyOf(retired);
  }

  /**
   * One run of the job that committed something, or came to its end.
   *
   * @param runId its name
   * @param started ISO-8601, UTC
   * @param settings where it came from, by name: model folder, input and the like; nothing that
   *     decides the numbers
   * @param waves committed ones, oldest first
   * @param throughput measured up to the newest wave; null of a run that measured nothing
   * @param record what it did, written at its end; null of a run that is under way or was cut off
   */
  public record Run(
      String runId,
      String started,
      Map<String, String> settings,
      List<Wave> waves,
      @JsonInclude(JsonInclude.Include.NON_NULL) Throughput throughput,
      @JsonInclude(JsonInclude.Include.NON_NULL) RunRecord record) {
    /** A run that has not come to its end. */
    public Run(
        String runId,
        String started,
        Map<String, String> settings,
        List<Wave> waves,
        Throughput throughput) {
      this(runId, started, settings, waves, throughput, null);
    }

    /** What it did; of a run without an end, what its waves say. */
    public RunRecord sums() {
      if (record != null) {
        return record;
      }
      RunRecord sums = RunRecord.ofWaves(started, waves);
      return prefills() ? sums : sums.ofCopies();
    }

    /** Whether its waves were pre-filled, and not copied from those of others. */
    public boolean prefills() {
      return !settings.containsKey(COMMAND);
    }

    Run with(List<Wave> others, RunRecord sums) {
      return new Run(runId, started, settings, List.copyOf(others), throughput, sums);
    }

    /**
     * Wall time from the beginning of reading, times engines; 0 of a run that pre-filled nothing.
     */
    public double engineSeconds() {
      return throughput == null ? 0 : throughput.slotSeconds() + throughput.readingSeconds();
    }

    /** The command that it was. */
    public String command() {
      return settings.getOrDefault(COMMAND, "run");
    }
  }

  /**
   * A wave that a retention has taken out of the output ({@link Retention}). Its files stay for
   * readers that have begun: its documents file for the grace time, the others for as long again.
   *
   * @param runId of the run that had the wave
   * @param wave its number
   * @param since when it was taken out, ISO-8601, UTC
   * @param graceSeconds the grace time
   * @param files of all tables
   */
  public record Retired(
      String runId, int wave, String since, long graceSeconds, List<StoredFile> files) {
    /** Whether a table's files have had their time. */
    boolean isDue(Table table, Instant now) {
      long seconds = table == Table.DOCUMENTS ? graceSeconds : 2 * graceSeconds;
      return !now.isBefore(Instant.parse(since).plusSeconds(seconds));
    }

    FileNames.WaveKey key() {
      return new FileNames.WaveKey(runId, wave);
    }
  }

  /**
   * One committed wave.
   *
   * @param wave its number in the run, from 1
   * @param started when its first task began, ISO-8601, UTC
   * @param finished when it was committed
   * @param seconds between the two
   * @param documents number of documents by status
   * @param tokens of documents with status ok or truncated
   * @param files published files of all tables
   * @param changed pre-filled documents of which the folder held an older content
   * @param errors failed documents by kind, see {@link ErrorKind}
   */
  public record Wave(
      int wave,
      String started,
      String finished,
      double seconds,
      Map<String, Long> documents,
      long tokens,
      List<StoredFile> files,
      long changed,
      @JsonInclude(JsonInclude.Include.NON_EMPTY) Map<String, Long> errors) {
    /** Absent errors, of an earlier version, are none. */
    public Wave {
      errors = errors == null ? Map.of() : Map.copyOf(errors);
    }

    /** Sums a wave up. */
    static Wave of(
        int wave,
        Instant began,
        Instant now,
        List<DocumentRow> rows,
        List<StoredFile> files,
        long changed) {
      Map<String, Long> documents = new TreeMap<>();
      long tokens = 0;
      for (DocumentRow row : rows) {
        documents.merge(row.status().label(), 1L, Long::sum);
        tokens += row.status().isPrefilled() ? row.tokenCount() : 0;
      }
      double seconds = Math.max(0, Duration.between(began, now).toMillis() / 1000.0);
      return new Wave(
          wave,
          began.toString(),
          now.toString(),
          seconds,
          documents,
          tokens,
          files,
          changed,
          ErrorKind.count(rows));
    }

    /** The same wave with other files. */
    Wave with(List<StoredFile> others) {
      return new Wave(
          wave,
          started,
          finished,
          seconds,
          documents,
          tokens,
          List.copyOf(others),
          changed,
          errors);
    }
  }

  /** The manifest of a new folder. */
  static Manifest of(Identity identity) {
    return new Manifest(
        FORMAT_VERSION, identity.fingerprint(), identity.fields(), List.of(), List.of(), null);
  }

  /** This manifest with one more wave, which becomes the last of its run. */
  Manifest with(WaveReceipt receipt) {
    String runId = receipt.runId();
    List<Run> next = new ArrayList<>();
    boolean found = false;
    for (Run run : runs) {
      if (run.runId().equals(runId)) {
        List<Wave> waves = new ArrayList<>(run.waves());
        waves.add(receipt.wave());
        next.add(
            new Run(
                runId, run.started(), run.settings(), List.copyOf(waves), receipt.throughput()));
        found = true;
      } else {
        next.add(run);
      }
    }
    if (!found) {
      next.add(
          new Run(
              runId,
              receipt.runStarted(),
              receipt.settings(),
              List.of(receipt.wave()),
              receipt.throughput()));
    }
    Manifest with =
        new Manifest(FORMAT_VERSION, fingerprint, identity, List.copyOf(next), retired, earlier);
    WaveReceipt.Replaced replaced = receipt.replaced();
    return replaced == null
        ? with
        : with.retire(
            new FileNames.WaveKey(replaced.runId(), replaced.wave()),
            receipt.wave().finished(),
            replaced.graceSeconds());
  }

  /**
   * This manifest with a wave taken out; the same where it has no such wave. The wave's run keeps
   * its sums.
   */
  Manifest retire(FileNames.WaveKey key, String since, long graceSeconds) {
    List<Run> next = new ArrayList<>();
    List<Retired> out = new ArrayList<>(retired);
    for (Run run : runs) {
      List<Wave> staying = new ArrayList<>();
      for (Wave wave : run.waves()) {
        if (run.runId().equals(key.runId()) && wave.wave() == key.wave()) {
          out.add(new Retired(run.runId(), wave.wave(), since, graceSeconds, wave.files()));
        } else {
          staying.add(wave);
        }
      }
      next.add(staying.size() == run.waves().size() ? run : run.with(staying, run.sums()));
    }
    return new Manifest(formatVersion, fingerprint, identity, List.copyOf(next), out, earlier)
        .bounded();
  }

  /** This manifest without retired waves, whose files are gone. */
  Manifest without(List<Retired> gone) {
    List<Retired> left = new ArrayList<>(retired);
    left.removeAll(gone);
    return new Manifest(formatVersion, fingerprint, identity, runs, left, earlier);
  }

  /**
   * This manifest with a run's end. A run without waves is added, the oldest such runs give way to
   * it.
   *
   * @param run with its record, and without waves if it is new
   */
  Manifest ended(Run run) {
    List<Run> next = new ArrayList<>();
    boolean found = false;
    for (Run known : runs) {
      boolean same = known.runId().equals(run.runId());
      next.add(same ? known.with(known.waves(), run.record()) : known);
      found |= same;
    }
    if (!found) {
      next.add(run);
    }
    return withRuns(next, earlier).bounded();
  }

  private Manifest bounded() {
    long tooMany = runs.stream().filter(run -> run.waves().isEmpty()).count() - MOST_EMPTY_RUNS;
    RunSums sums = earlier == null ? RunSums.NONE : earlier;
    List<Run> kept = new ArrayList<>();
    for (Run run : runs) {
      if (run.waves().isEmpty() && tooMany > 0) {
        sums = sums.plus(run.started(), run.sums(), run.engineSeconds());
        tooMany--;
      } else {
        kept.add(run);
      }
    }
    return kept.size() == runs.size() ? this : withRuns(kept, sums);
  }

  private Manifest withRuns(List<Run> others, RunSums sums) {
    return new Manifest(formatVersion, fingerprint, identity, List.copyOf(others), retired, sums);
  }

  /** Every file of a table that is part of the output, oldest first. */
  public List<StoredFile> files(Table table) {
    return runs.stream()
        .flatMap(run -> run.waves().stream())
        .flatMap(wave -> wave.files().stream())
        .filter(file -> file.table() == table)
        .toList();
  }

  /** Whether a wave is in it. */
  boolean has(FileNames.WaveKey key) {
    return runs.stream()
        .filter(run -> run.runId().equals(key.runId()))
        .flatMap(run -> run.waves().stream())
        .anyMatch(wave -> wave.wave() == key.wave());
  }

  /** As the text of {@code manifest.json}. */
  public String json() {
    return write(this) + "\n";
  }

  /**
   * Reads the text of {@code manifest.json}.
   *
   * @throws IOException when it is not one, or of another format version
   */
  public static Manifest parse(String json, String where) throws IOException {
    try {
      JsonNode tree = JSON.readTree(json);
      int version = tree == null ? 0 : tree.path("format_version").asInt();
      if (version < OLDEST_VERSION || version > FORMAT_VERSION) {
        throw new IOException(
            "Cannot read "
                + where
                + ": its format_version is "
                + version
                + ", this program reads "
                + OLDEST_VERSION
                + " to "
                + FORMAT_VERSION);
      }
      return JSON.treeToValue(tree, Manifest.class);
    } catch (JsonProcessingException e) {
      throw new IOException(
          "Cannot read " + where + ": it is not a manifest: " + e.getOriginalMessage(), e);
    }
  }

  /** As JSON, with names in snake case. */
  static String write(Object value) {
    try {
      return JSON.writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("Cannot write " + value.getClass() + " as JSON", e);
    }
  }
}
