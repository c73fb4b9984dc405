package io.sparsefill.job.output;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * {@code manifest.json}: what an output folder holds. It is an index for people and programs; the
 * truth are the documents files, from which it can be made again ({@link ManifestStore}).
 *
 * @param formatVersion of the tables and of this file; {@link #FORMAT_VERSION} once this program
 *     has written
 * @param fingerprint hex SHA-256 of the identity's canonical JSON
 * @param identity all that decides the numbers, see {@link Identity}
 * @param runs oldest first
 */
public record Manifest(
    int formatVersion, String fingerprint, Map<String, String> identity, List<Run> runs) {
  /**
   * The version that this program writes. Version 2 knows fp8, and cells of the kv table that are
   * encoded ({@code encoding}); version 1 is read as well, and continued in version 2.
   */
  public static final int FORMAT_VERSION = 2;

  /** The oldest version that this program reads. */
  private static final int OLDEST_VERSION = 1;

  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .enable(SerializationFeature.INDENT_OUTPUT)
          .build();

  /**
   * One run of the job that committed something.
   *
   * @param runId its name
   * @param started ISO-8601, UTC
   * @param settings where it came from, by name: model folder, input and the like; nothing that
   *     decides the numbers
   * @param waves committed ones, oldest first
   * @param throughput measured up to the newest wave; null of a run that measured nothing
   */
  public record Run(
      String runId,
      String started,
      Map<String, String> settings,
      List<Wave> waves,
      @JsonInclude(JsonInclude.Include.NON_NULL) Throughput throughput) {}

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
   */
  public record Wave(
      int wave,
      String started,
      String finished,
      double seconds,
      Map<String, Long> documents,
      long tokens,
      List<StoredFile> files) {}

  /** The manifest of a new folder. */
  static Manifest of(Identity identity) {
    return new Manifest(FORMAT_VERSION, identity.fingerprint(), identity.fields(), List.of());
  }

  /** This manifest with one more wave, which becomes the last of its run. */
  Manifest with(Receipt receipt) {
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
    return new Manifest(FORMAT_VERSION, fingerprint, identity, List.copyOf(next));
  }

  /** Every published file of a table, oldest first. */
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

  /** A run and one of its waves, as the documents file of the wave carries them. */
  record Receipt(
      String runId,
      String runStarted,
      Map<String, String> settings,
      Wave wave,
      @JsonInclude(JsonInclude.Include.NON_NULL) Throughput throughput) {
    String json() {
      return write(this);
    }

    static Receipt parse(String json) throws IOException {
      return JSON.readValue(json, Receipt.class);
    }
  }

  private static String write(Object value) {
    try {
      return JSON.writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("Cannot write " + value.getClass() + " as JSON", e);
    }
  }
}
