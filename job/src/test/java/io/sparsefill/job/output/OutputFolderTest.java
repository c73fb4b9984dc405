package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.DocumentStatus;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What opening, committing and closing leave on the disk; the oracle is the folder's listing and
 * the manifest.
 */
class OutputFolderTest {
  @TempDir Path temp;

  @Test
  void aCommittedWaveIsInTablesManifestAndDoneKeys() throws Exception {
    Path out = temp.resolve("new/with space %20");
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      TaskOutput task = Outputs.task(folder, 1, 0, Map.of("a", 20));
      TaskOutput others =
          TaskOutput.ofDocuments(
              List.of(
                  Outputs.row(folder, "long", 99, DocumentStatus.SKIPPED),
                  Outputs.row(folder, "bad", 0, DocumentStatus.FAILED)));
      assertThat(folder.done()).isEmpty();
      Manifest.Wave wave = folder.commitWave(1, List.of(task, others));
      assertThat(wave.documents()).isEqualTo(Map.of("ok", 1L, "skipped", 1L, "failed", 1L));
      assertThat(wave.tokens()).isEqualTo(20);
      assertThat(folder.done())
          .containsExactlyInAnyOrder(
              OutputFolder.doneKey("a", "sha-a"), OutputFolder.doneKey("long", "sha-long"));
    }
    assertThat(Outputs.files(out))
        .containsExactly(
            "answers/r1-w00001-p00000-0000.parquet",
            "documents/r1-w00001.parquet",
            "kv/r1-w00001-p00000-0000.parquet",
            "logits/r1-w00001-p00000-0000.parquet",
            "manifest.json",
            "tokens/r1-w00001-p00000-0000.parquet");
    assertThat(out.resolve("_staging")).doesNotExist();
    Manifest manifest = Manifest.parse(Files.readString(out.resolve("manifest.json")), "test");
    assertThat(manifest.identity()).isEqualTo(Outputs.identity());
    assertThat(manifest.fingerprint()).isEqualTo(new Identity(Outputs.identity()).fingerprint());
    assertThat(manifest.runs()).hasSize(1);
    for (Table table : Table.values()) {
      for (StoredFile file : manifest.files(table)) {
        assertThat(Files.size(out.resolve(file.path()))).isEqualTo(file.bytes());
      }
    }
    assertThat(manifest.files(Table.KV)).extracting(StoredFile::rows).containsExactly(6L);
    assertThat(manifest.files(Table.DOCUMENTS)).extracting(StoredFile::rows).containsExactly(3L);
  }

  @Test
  void aLaterRunAddsAndTriesOnlyFailedDocumentsAgain() throws Exception {
    Path out = temp.resolve("out");
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      folder.commitWave(
          1,
          List.of(
              Outputs.task(folder, 1, 0, Map.of("a", 8)),
              TaskOutput.ofDocuments(List.of(Outputs.row(folder, "b", 0, DocumentStatus.FAILED)))));
    }
    assertThat(OutputPreview.of(Outputs.CONF, out.toString(), Outputs.identity()).done())
        .containsExactly(OutputFolder.doneKey("a", "sha-a"));
    try (OutputFolder folder = Outputs.open(out, "r2")) {
      assertThat(folder.done()).containsExactly(OutputFolder.doneKey("a", "sha-a"));
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("b", 9))));
      assertThat(folder.done()).hasSize(2);
      assertThat(folder.manifest().runs())
          .extracting(Manifest.Run::runId)
          .containsExactly("r1", "r2");
    }
    assertThat(Outputs.files(out.resolve("documents"))).hasSize(2);
  }

  /** A run that ends before its first wave (its input was misspelt, say) binds nobody. */
  @Test
  void aFolderWithoutCommittedWavesTakesOtherSettings() throws Exception {
    Path out = temp.resolve("out");
    Map<String, String> other = Outputs.identity();
    other.put("attention", "something else");
    OutputFolder.open(Outputs.CONF, out.toString(), other, "r1", Map.of(), Claim.of("run", ""))
        .close();
    assertThat(OutputPreview.of(Outputs.CONF, out.toString(), Outputs.identity()))
        .isEqualTo(OutputPreview.EMPTY);
    try (OutputFolder folder = Outputs.open(out, "r2")) {
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("a", 8))));
    }
    assertThat(Manifest.parse(Files.readString(out.resolve("manifest.json")), "test").identity())
        .isEqualTo(Outputs.identity());
  }

  @Test
  void previewTouchesNothing() throws Exception {
    Path out = temp.resolve("out");
    assertThat(OutputPreview.of(Outputs.CONF, out.toString(), Outputs.identity()))
        .isEqualTo(OutputPreview.EMPTY);
    assertThat(out).doesNotExist();
  }

  @Test
  void anotherIdentityIsRefusedNamingEveryDifference() throws Exception {
    Path out = temp.resolve("out");
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("a", 8))));
    }
    List<String> files = Outputs.files(out);
    Map<String, String> other = Outputs.identity();
    other.put(Identity.KV_DTYPE, "fp16");
    other.put("weights_sha256", "abc");
    other.remove("rope");
    assertThatThrownBy(
            () ->
                OutputFolder.open(
                    Outputs.CONF, out.toString(), other, "r2", Map.of(), Claim.of("run", "")))
        .isInstanceOfSatisfying(
            OutputConflict.class,
            conflict ->
                assertThat(conflict.differences())
                    .containsExactly(
                        "kv_dtype: 'bf16' there, 'fp16' here",
                        "rope: 'theta 10000, half_split' there, nothing here",
                        "weights_sha256: nothing there, 'abc' here"))
        .hasMessageContaining("choose another --output");
    assertThatThrownBy(() -> OutputPreview.of(Outputs.CONF, out.toString(), other))
        .isInstanceOf(OutputConflict.class);
    assertThat(Outputs.files(out)).isEqualTo(files);
  }

  @Test
  void aSecondRunIsRefusedWhileTheFirstIsOpen() throws Exception {
    Path out = temp.resolve("out");
    try (OutputFolder first = Outputs.open(out, "first")) {
      assertThatThrownBy(() -> Outputs.open(out, "second"))
          .isInstanceOf(OutputRefused.class)
          .hasMessageContaining("run first")
          .hasMessageContaining("process " + ProcessHandle.current().pid())
          .hasMessageContaining("last seen");
      assertThat(first.done()).isEmpty();
    }
    Outputs.open(out, "second").close();
  }

  @Test
  void aFolderWithForeignContentIsRefusedAndLeftAlone() throws Exception {
    Files.writeString(temp.resolve("thesis.doc"), "years of work");
    assertThatThrownBy(() -> Outputs.open(temp, "r1"))
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("thesis.doc")
        .hasMessageContaining("choose another --output");
    assertThat(Outputs.files(temp)).containsExactly("thesis.doc");
  }

  @Test
  void anUnwritableOutputIsToldAtOnce() throws Exception {
    Path file = Files.writeString(temp.resolve("file"), "x");
    assertThatThrownBy(() -> Outputs.open(file.resolve("below"), "r1"))
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("Cannot write to")
        .hasMessageContaining("choose another --output");
    assertThatThrownBy(
            () ->
                OutputFolder.open(
                    Outputs.CONF,
                    "nosuch://x/y",
                    Outputs.identity(),
                    "r1",
                    Map.of(),
                    Claim.of("run", "")))
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("nosuch");
  }

  @Test
  void aRunIdIsUsedOnce() throws Exception {
    Path out = temp.resolve("out");
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("a", 8))));
    }
    assertThatThrownBy(() -> Outputs.open(out, "r1")).hasMessageContaining("has run r1");
    assertThatThrownBy(() -> Outputs.open(out, "../r1")).hasMessageContaining("run id '../r1'");
    Outputs.open(out, "r2").close();
  }

  @Test
  void aWaveMustBeNewAndHaveDocumentsOfThisRun() throws Exception {
    try (OutputFolder folder = Outputs.open(temp.resolve("out"), "r1")) {
      assertThatThrownBy(() -> folder.commitWave(1, List.of()))
          .hasMessageContaining("no documents");
      folder.commitWave(2, List.of(Outputs.task(folder, 2, 0, Map.of("a", 8))));
      TaskOutput late = Outputs.task(folder, 1, 0, Map.of("b", 8));
      assertThatThrownBy(() -> folder.commitWave(1, List.of(late)))
          .hasMessageContaining("a later one is committed");
    }
  }

  @Test
  void aMissingStagedFileFailsTheCommitBeforeAnythingIsPublished() throws Exception {
    Path out = temp.resolve("out");
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      TaskOutput task = Outputs.task(folder, 1, 0, Map.of("a", 8));
      Files.delete(out.resolve(task.files().get(1).path()));
      assertThatThrownBy(() -> folder.commitWave(1, List.of(task)))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("is not there")
          .hasMessageContaining("storage that driver and executors share");
      assertThat(out.resolve("kv")).doesNotExist();
    }
    assertThat(Outputs.files(out)).containsExactly("manifest.json");
  }

  @Test
  void aLostManifestIsMadeAgainFromTheDocuments() throws Exception {
    Path out = temp.resolve("out");
    Manifest before;
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("a", 8))));
      folder.commitWave(2, List.of(Outputs.task(folder, 2, 0, Map.of("b", 20))));
      before = folder.manifest();
    }
    Files.delete(out.resolve("manifest.json"));
    try (OutputFolder folder = Outputs.open(out, "r2")) {
      assertThat(folder.manifest()).isEqualTo(before);
      assertThat(folder.done()).hasSize(2);
    }
  }

  @Test
  void aDamagedOrNewerManifestIsAnError() throws Exception {
    Path out = temp.resolve("out");
    Outputs.open(out, "r1").close();
    Files.writeString(out.resolve("manifest.json"), "{\"format_version\": 7}");
    assertThatThrownBy(() -> Outputs.open(out, "r2"))
        .hasMessageContaining("format_version is 7, this program reads 1 to 2");
    Files.writeString(out.resolve("manifest.json"), "{\"format_ver");
    assertThatThrownBy(() -> Outputs.open(out, "r2")).hasMessageContaining("not a manifest");
    assertThat(out.resolve("_lock")).doesNotExist();
  }
}
