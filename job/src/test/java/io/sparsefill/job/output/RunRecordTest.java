package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What stays of runs in the manifest; oracles: sums by hand. */
class RunRecordTest {
  @TempDir Path temp;

  @Test
  void aRunThatEndsIsRecordedAndOneThatDoesNotIsCutOff() throws Exception {
    Path out = temp.resolve("out");
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      DocumentRow failed = Outputs.row(folder, "bad", 0, DocumentStatus.FAILED);
      folder.commitWave(
          1,
          List.of(
              Outputs.task(folder, 1, 0, Map.of("a", 20)),
              TaskOutput.ofDocuments(List.of(failed))));
    }
    try (OutputFolder folder = Outputs.open(out, "r2")) {
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("a", 9, "b", 8))));
      folder.recordEnd(RunRecord.DONE, 5L, 12.5);
    }
    try (OutputFolder folder = Outputs.open(out, "r3")) {
      folder.recordEnd(RunRecord.TOO_MANY_ERRORS, 7L, 1);
    }
    List<Manifest.Run> runs = Inspection.manifest(Outputs.CONF, out.toString()).runs();
    assertThat(runs).extracting(Manifest.Run::runId).containsExactly("r1", "r2", "r3");
    RunRecord first = runs.get(0).sums();
    assertThat(first.outcome()).isEqualTo(RunRecord.CUT_OFF);
    assertThat(first.unchanged()).isNull();
    assertThat(first.documents()).isEqualTo(Map.of("ok", 1L, "failed", 1L));
    assertThat(first.errors()).isEqualTo(Map.of("because", 1L));
    RunRecord second = runs.get(1).sums();
    assertThat(second.outcome()).isEqualTo(RunRecord.DONE);
    assertThat(second.changed()).as("a was there before").isEqualTo(1);
    assertThat(second.ok()).isEqualTo(2);
    assertThat(second.tokens()).isEqualTo(17);
    assertThat(second.seconds()).isEqualTo(12.5);
    assertThat(second.unchanged()).isEqualTo(5);
    assertThat(runs.get(2).waves()).isEmpty();
    assertThat(runs.get(2).sums().outcome()).isEqualTo(RunRecord.TOO_MANY_ERRORS);
  }

  @Test
  void nothingIsRecordedWhereNothingWasEverCommitted() throws Exception {
    Path out = temp.resolve("out");
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      folder.recordEnd(RunRecord.TOO_MANY_ERRORS, 0L, 1);
      assertThat(folder.manifest().runs()).isEmpty();
    }
  }

  @Test
  void theManifestKeepsAThousandRunsWithoutWavesAndTheSumsOfOthers() {
    Manifest manifest = Manifest.of(new Identity(Outputs.identity()));
    for (int i = 0; i < Manifest.MOST_EMPTY_RUNS + 3; i++) {
      manifest = manifest.ended(nothingToDo(i));
    }
    assertThat(manifest.runs()).hasSize(Manifest.MOST_EMPTY_RUNS);
    assertThat(manifest.runs().get(0).runId()).isEqualTo("r1003");
    assertThat(manifest.earlier().runs()).isEqualTo(3);
    assertThat(manifest.earlier().seconds()).isEqualTo(6);
    assertThat(manifest.earlier().from()).isEqualTo("2026-01-02T03:04:05Z");
    assertThat(manifest.json().length() / Manifest.MOST_EMPTY_RUNS)
        .as("bytes of a run")
        .isLessThan(600);
  }

  private static Manifest.Run nothingToDo(int i) {
    RunRecord record =
        RunRecord.of("2026-01-02T03:04:07Z", RunRecord.DONE, 1_000_000L, 2, List.of());
    Map<String, String> settings = Map.of("model", "/models/some-model", "input", "/corpus/docs");
    return new Manifest.Run(
        "r" + (1000 + i), "2026-01-02T03:04:05Z", settings, List.of(), null, record);
  }

  /** The text is that of the version before records, errors and changed documents. */
  @Test
  void anEarlierManifestIsRead() throws Exception {
    String json =
        """
        {"format_version":1,"fingerprint":"f","identity":{},"runs":[{"run_id":"r1",
        "started":"2026-01-02T03:04:05Z","settings":{},"waves":[{"wave":1,
        "started":"2026-01-02T03:04:06Z","finished":"2026-01-02T03:04:09Z","seconds":3.0,
        "documents":{"ok":2},"tokens":30,
        "files":[{"table":"kv","path":"kv/x.parquet","rows":1,"bytes":77}]}]}]}
        """;
    RunRecord sums = Manifest.parse(json, "there").runs().get(0).sums();
    assertThat(sums)
        .isEqualTo(
            new RunRecord(
                "2026-01-02T03:04:09Z",
                RunRecord.CUT_OFF,
                Map.of("ok", 2L),
                0,
                null,
                30,
                77,
                4,
                Map.of()));
  }

  @Test
  void errorsOfOneKindAreOne() {
    assertThat(
            kind("a.txt", "/in/a.txt", "has 12,345 tokens, more than --max-tokens 20; raise that"))
        .isEqualTo("has N tokens, more than --max-tokens N");
    assertThat(
            kind(
                "x",
                "file:/in/b 7.txt",
                "Cannot tokenise file:/in/b 7.txt: its text gives no tokens"))
        .isEqualTo("Cannot tokenise …: its text gives no tokens");
    assertThat(kind("good", "in:3", "duplicate doc_id 'good': also in /in/c.jsonl"))
        .isEqualTo("duplicate doc_id …: also in …");
    assertThat(kind("d", "in:4", "x".repeat(300))).hasSize(100);
    assertThat(kind("d", "", "no text")).isEqualTo("no text");
    assertThat(kind("d", "in:5", null)).isEqualTo("no reason given");
  }

  private static String kind(String docId, String source, String error) {
    return ErrorKind.of(
        new DocumentRow(
            docId,
            source,
            "sha",
            0,
            DocumentStatus.FAILED,
            error,
            null,
            null,
            null,
            null,
            "f",
            "r"));
  }
}
