package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import io.sparsefill.udf.KvBlock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Removes superseded contents, and dies before each single change that this makes to the file
 * system. Oracles: the synthetic documents, which readers must find whole and once at any moment,
 * by the manifest and by listing folders; and verify.
 */
class RetentionTest {
  private static final Instant NOW = Instant.parse("2026-01-02T03:04:05Z");
  private static final Map<String, Integer> NEWEST =
      Map.of("a", 12, "b", 9, "c", 8, "d", 17, "e", 16, "bad", 9, "f", 8);

  @TempDir Path temp;
  private Path out;

  @BeforeEach
  void nameOutput() {
    out = temp.resolve("out");
  }

  private static Retention.Options newest(Duration grace) {
    return new Retention.Options(null, 0, grace);
  }

  /** A task's output, whose contents are told apart by their lengths. */
  private static TaskOutput task(
      OutputFolder folder, int wave, int partition, Map<String, Integer> documents, Set<String> bad)
      throws IOException {
    TaskOutput task = Outputs.task(folder, wave, partition, new TreeMap<>(documents), 2);
    List<DocumentRow> rows = new ArrayList<>();
    for (DocumentRow row : task.documents()) {
      DocumentStatus status = bad.contains(row.docId()) ? DocumentStatus.FAILED : row.status();
      DocumentRow with = Outputs.row(folder, row.docId(), row.tokenCount(), status);
      rows.add(
          new DocumentRow(
              with.docId(),
              with.source(),
              "sha-" + with.docId() + "-" + with.tokenCount(),
              with.tokenCount(),
              with.status(),
              with.error(),
              with.attention(),
              with.density(),
              with.prefillSeconds(),
              with.device(),
              with.fingerprint(),
              with.runId()));
    }
    return new TaskOutput(partition, task.files(), rows, task.startedMillis());
  }

  /** Three runs: in r1-w1 a is superseded and bad failed half-way, r1-w2 is superseded wholly. */
  private static void fill(Path out) throws IOException {
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      folder.commitWave(
          1,
          List.of(
              task(folder, 1, 0, Map.of("a", 20, "b", 9, "bad", 17), Set.of("bad")),
              task(folder, 1, 1, Map.of("c", 8, "d", 17), Set.of())));
      folder.commitWave(2, List.of(task(folder, 2, 0, Map.of("e", 8), Set.of())));
    }
    try (OutputFolder folder = Outputs.open(out, "r2")) {
      folder.commitWave(
          1, List.of(task(folder, 1, 0, Map.of("a", 12, "e", 16, "bad", 9), Set.of())));
    }
    try (OutputFolder folder = Outputs.open(out, "r3")) {
      folder.commitWave(1, List.of(task(folder, 1, 0, Map.of("f", 8), Set.of())));
    }
  }

  private static OutputFolder open(Storage storage, String runId, Instant now) throws Exception {
    return OutputFolder.open(
        storage,
        new Identity(Outputs.identity()),
        OutputLockTest.formerOwner(runId, now),
        null,
        Map.of(Manifest.COMMAND, "retain"),
        Clock.fixed(now, ZoneOffset.UTC),
        time -> {});
  }

  /** Copies in this process, one file group after the other. */
  private static RetentionReport retain(
      OutputFolder folder, Storage storage, Retention.Options options) throws IOException {
    return Retention.run(
        folder,
        storage,
        options,
        (copies, runId, wave) -> {
          List<TaskOutput> outputs = new ArrayList<>();
          for (FileCopy copy : copies) {
            outputs.add(copy.to(storage, runId, wave, 7));
          }
          return outputs;
        });
  }

  private Storage storage() throws IOException {
    return new Storage(Outputs.CONF, out.toString());
  }

  /** Files of all tables, as a reader finds them that goes by the manifest. */
  private Map<Table, List<String>> byManifest() throws IOException {
    Manifest manifest = ManifestStore.load(storage()).orElseThrow();
    Map<Table, List<String>> files = new HashMap<>();
    for (Table table : Table.values()) {
      files.put(table, manifest.files(table).stream().map(StoredFile::path).toList());
    }
    return files;
  }

  /** The same of a reader that lists folders, as Spark does. */
  private Map<Table, List<String>> byListing() throws IOException {
    Map<Table, List<String>> files = new HashMap<>();
    for (Table table : Table.values()) {
      files.put(
          table,
          storage().list(table.folder()).stream()
              .map(e -> table.folder() + "/" + e.name())
              .toList());
    }
    return files;
  }

  /** Reads as the README says: the newest run of a document, joined by document and run. */
  private void everyDocumentIsWhole(Map<Table, List<String>> files, Map<String, Integer> expected)
      throws IOException {
    Map<String, String> newest = new TreeMap<>();
    Map<String, Integer> tokens = new TreeMap<>();
    for (String file : files.get(Table.DOCUMENTS)) {
      for (DocumentRow row : DocumentRows.read(storage(), file)) {
        boolean later = row.runId().compareTo(newest.getOrDefault(row.docId(), "")) > 0;
        if (row.status() == DocumentStatus.OK && later) {
          newest.put(row.docId(), row.runId());
          tokens.put(row.docId(), row.tokenCount());
        }
      }
    }
    assertThat(tokens).isEqualTo(new TreeMap<>(expected));
    Map<String, List<String>> found = new TreeMap<>();
    for (String file : files.get(Table.KV)) {
      try (StoredRows rows = StoredRows.open(storage(), file, Table.KV.parquet())) {
        for (Group row = rows.next(); row != null; row = rows.next()) {
          String docId = row.getString("doc_id", 0);
          if (row.getString("run_id", 0).equals(newest.get(docId))) {
            KvBlock block = KvCells.block(row);
            assertThat(block.intact()).as("'%s', %s", docId, file).isTrue();
            found.computeIfAbsent(docId, id -> new ArrayList<>()).add(name(block));
          }
        }
      }
    }
    expected.forEach(
        (docId, count) ->
            assertThat(found.get(docId))
                .as("blocks of '%s'", docId)
                .containsExactlyInAnyOrderElementsOf(
                    Outputs.blocks(docId, count).stream().map(RetentionTest::name).toList()));
  }

  private static String name(KvBlock block) {
    return block.layer() + "." + block.block() + "." + block.crc32c();
  }

  private void bothReadersFindEveryDocumentWhole() throws IOException {
    everyDocumentIsWhole(byManifest(), NEWEST);
    everyDocumentIsWhole(byListing(), NEWEST);
  }

  @Test
  void aRetentionCutOffAnywhereLeavesEveryDocumentWhole() throws Exception {
    Path filled = temp.resolve("filled");
    fill(filled);
    int changes = 0;
    for (boolean completed = false; !completed; changes++) {
      out = temp.resolve("out" + changes);
      for (String file : Outputs.files(filled)) {
        Files.createDirectories(out.resolve(file).getParent());
        Files.copy(filled.resolve(file), out.resolve(file));
      }
      DyingStorage dying = new DyingStorage(out);
      OutputFolder folder = open(dying, "r4", NOW);
      dying.dieAfter(changes);
      try {
        retain(folder, dying, newest(Duration.ZERO));
        completed = true;
      } catch (DyingStorage.Death expected) {
        assertThat(expected).hasMessage("killed");
      }
      bothReadersFindEveryDocumentWhole();
      if (changes % 32 == 19) {
        verify();
      }
      Storage storage = storage();
      try (OutputFolder next = open(storage, "r5", NOW)) {
        everyDocumentIsWhole(byListing(), NEWEST);
        retain(next, storage, newest(Duration.ZERO));
      }
      bothReadersFindEveryDocumentWhole();
      assertThat(byListing()).as("nothing else is left").isEqualTo(byManifest());
      assertThat(rows(Table.KV)).isEqualTo(blocks(NEWEST));
    }
    verify();
    assertThat(changes).isGreaterThan(30);
  }

  private void verify() throws IOException {
    VerifyReport report =
        Verification.run(Outputs.spark(), out.toString(), VerifyOptions.sample(0), null);
    assertThat(report.problems()).isEmpty();
  }

  private long rows(Table table) throws IOException {
    return Outputs.rowCount(out, table);
  }

  private static long blocks(Map<String, Integer> documents) {
    return documents.entrySet().stream()
        .mapToLong(document -> Outputs.blocks(document.getKey(), document.getValue()).size())
        .sum();
  }

  @Test
  void whoHasBegunToReadGoesOnForTheGraceTime() throws Exception {
    fill(out);
    Map<Table, List<String>> begun = byManifest();
    Storage storage = storage();
    try (OutputFolder folder = open(storage, "r4", NOW)) {
      RetentionReport report = retain(folder, storage, newest(Duration.ofHours(1)));
      assertThat(report.documents()).isEqualTo(2);
      assertThat(report.copied()).isEqualTo(1);
      assertThat(report.dropped()).isEqualTo(1);
      assertThat(report.deletedBytes()).isZero();
      assertThat(report.text())
          .contains("Removed 2 superseded contents in 2 waves of")
          .contains("after 1 hours deletes the old documents files, after 2 hours the others");
    }
    everyDocumentIsWhole(begun, NEWEST);
    bothReadersFindEveryDocumentWhole();

    open(storage, "r5", NOW.plus(Duration.ofMinutes(59))).close();
    everyDocumentIsWhole(begun, NEWEST);

    open(storage, "r6", NOW.plus(Duration.ofMinutes(60))).close();
    assertThat(out.resolve("documents/r1-w00001.parquet")).doesNotExist();
    assertThat(out.resolve("documents/r1-w00002.parquet")).doesNotExist();
    assertThat(out.resolve("kv/r1-w00001-p00000-0000.parquet")).exists();
    bothReadersFindEveryDocumentWhole();

    open(storage, "r7", NOW.plus(Duration.ofMinutes(120))).close();
    assertThat(Outputs.files(out)).noneMatch(file -> file.contains("r1-w"));
    assertThat(ManifestStore.load(storage).orElseThrow().retired()).isEmpty();
    bothReadersFindEveryDocumentWhole();
  }

  /** A manifest that is lost while old files wait is made again from the documents files. */
  @Test
  void aLostManifestForgetsNoRetention() throws Exception {
    fill(out);
    Storage storage = storage();
    try (OutputFolder folder = open(storage, "r4", NOW)) {
      retain(folder, storage, newest(Duration.ofHours(1)));
    }
    Files.delete(out.resolve("manifest.json"));
    bothReadersFindEveryDocumentWhole();
    Manifest manifest = ManifestStore.load(storage).orElseThrow();
    assertThat(manifest.retired()).extracting(Manifest.Retired::runId).containsExactly("r1");
  }

  @Test
  void rowsAreCopiedAsTheyAre() throws Exception {
    fill(out);
    Map<Table, List<String>> before = new HashMap<>();
    for (Table table : Table.BY_DOCUMENT) {
      before.put(table, rowsOf("r1", table));
    }
    Storage storage = storage();
    try (OutputFolder folder = open(storage, "r4", NOW)) {
      retain(folder, storage, newest(Duration.ZERO));
    }
    for (Table table : Table.BY_DOCUMENT) {
      List<String> kept =
          before.get(table).stream().filter(row -> row.matches("(?s)doc_id: [bcd]\n.*")).toList();
      assertThat(rowsOf("r4", table))
          .as(table.folder())
          .isNotEmpty()
          .containsExactlyInAnyOrderElementsOf(
              kept.stream().map(row -> row.replace("run_id: r1", "run_id: r4")).toList());
    }
    String copy = "kv/r4-w00001-p00000-0000.parquet";
    assertThat(StoredRows.metadata(storage, copy))
        .containsEntry("sparsefill.run_id", "r4")
        .containsEntry("sparsefill.keys", "after RoPE");
    assertThat(StoredRows.codec(storage, copy)).isEqualTo(CompressionCodecName.ZSTD);
  }

  private List<String> rowsOf(String runId, Table table) throws Exception {
    List<String> rows = new ArrayList<>();
    for (Group row : Outputs.groups(out, table)) {
      if (row.getString("run_id", 0).equals(runId)) {
        rows.add(row.toString());
      }
    }
    return rows;
  }

  @Test
  void asLongAsLittleOfAWaveIsSupersededItStays() throws Exception {
    fill(out);
    // Of r1-w1's 71 tokens a's 20 and bad's 17 go.
    Retention.Options more = new Retention.Options(null, 0.53, Duration.ZERO);
    Retention.Options less = new Retention.Options(null, 0.52, Duration.ZERO);
    assertThat(Retention.plan(Outputs.CONF, out.toString(), more).copied()).isZero();
    assertThat(Retention.plan(Outputs.CONF, out.toString(), more).dropped()).isEqualTo(1);
    RetentionReport plan = Retention.plan(Outputs.CONF, out.toString(), less);
    assertThat(plan.copied()).isEqualTo(1);
    assertThat(plan.text()).startsWith("Would remove 2 superseded contents in 2 waves of ");
    assertThat(byListing()).as("a plan changes nothing").isEqualTo(byManifest());
  }

  @Test
  void aSecondRetentionHasNothingToDo() throws Exception {
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      folder.commitWave(1, List.of(task(folder, 1, 0, Map.of("a", 20, "bad", 17), Set.of("bad"))));
    }
    Storage storage = storage();
    try (OutputFolder folder = open(storage, "r2", NOW)) {
      assertThat(retain(folder, storage, newest(Duration.ZERO)).copied()).isEqualTo(1);
    }
    assertThat(rows(Table.KV)).as("what bad left is gone").isEqualTo(blocks(Map.of("a", 20)));
    assertThat(rows(Table.DOCUMENTS)).as("that it failed is still told").isEqualTo(2);
    try (OutputFolder folder = open(storage, "r3", NOW)) {
      assertThat(retain(folder, storage, newest(Duration.ZERO)).text())
          .isEqualTo("Nothing is superseded.");
    }
    assertThat(ManifestStore.load(storage).orElseThrow().runs())
        .as("which no history tells")
        .extracting(Manifest.Run::runId)
        .containsExactly("r1", "r2");
  }

  @Test
  void whatAnEarlierRetentionTookOutIsDeletedAndTold() throws Exception {
    fill(out);
    Storage storage = storage();
    try (OutputFolder folder = open(storage, "r4", NOW)) {
      retain(folder, storage, newest(Duration.ofHours(1)));
    }
    long old =
        ManifestStore.load(storage).orElseThrow().retired().stream()
            .flatMap(wave -> wave.files().stream())
            .mapToLong(StoredFile::bytes)
            .sum();
    try (OutputFolder folder = open(storage, "r5", NOW.plus(Duration.ofHours(2)))) {
      RetentionReport report = retain(folder, storage, newest(Duration.ofHours(1)));
      assertThat(report.deletedBytes()).isPositive().isEqualTo(old);
      assertThat(report.text())
          .matches("Nothing is superseded; [0-9,]+ bytes of earlier ones are deleted[.]");
    }
    assertThat(ManifestStore.load(storage).orElseThrow().runs())
        .extracting(Manifest.Run::runId)
        .contains("r5");
  }

  @Test
  void documentsThatAreNotListedGo() throws Exception {
    fill(out);
    Storage storage = storage();
    try (OutputFolder folder = open(storage, "r4", NOW)) {
      retain(folder, storage, new Retention.Options(Set.of("a", "c", "f"), 0, Duration.ZERO));
    }
    Map<String, Integer> listed = Map.of("a", 12, "c", 8, "f", 8);
    everyDocumentIsWhole(byManifest(), listed);
    everyDocumentIsWhole(byListing(), listed);
    assertThat(rows(Table.KV)).isEqualTo(blocks(listed));
    try (OutputFolder folder = Outputs.open(out, "r5")) {
      assertThat(folder.done()).as("b would be pre-filled again").hasSize(3);
    }
  }

  @Test
  void runsKeepTheirSumsAndTheRetentionHasItsOwn() throws Exception {
    fill(out);
    Storage storage = storage();
    try (OutputFolder folder = open(storage, "r4", NOW)) {
      retain(folder, storage, newest(Duration.ZERO));
    }
    List<Manifest.Run> runs = ManifestStore.load(storage).orElseThrow().runs();
    assertThat(runs).extracting(Manifest.Run::runId).containsExactly("r1", "r2", "r3", "r4");
    RunRecord first = runs.get(0).sums();
    assertThat(first.documents()).isEqualTo(Map.of("ok", 5L, "failed", 1L));
    assertThat(first.tokens()).isEqualTo(20 + 9 + 8 + 17 + 8);
    assertThat(runs.get(1).sums().changed()).as("a and e were there before").isEqualTo(2);
    assertThat(runs.get(3).command()).isEqualTo("retain");
    assertThat(runs.get(3).sums().tokens()).as("copies are no pre-fill").isZero();
    assertThat(runs.get(3).sums().bytes()).isPositive();
    InspectionReport report = Inspection.report(Outputs.CONF, out.toString());
    assertThat(report.tokens())
        .isEqualTo(NEWEST.values().stream().mapToInt(Integer::intValue).sum());
    assertThat(report.documents()).isEqualTo(Map.of("ok", 7L));
  }
}
