package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.parquet.example.data.Group;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Stops a commit, and an opening, before each single change that they make to the file system (and
 * in the middle of replacing a file), then opens the folder again as the next run does. Oracle: the
 * documents of finished waves, each exactly once.
 */
class CrashTest {
  private static final Identity IDENTITY = new Identity(Outputs.identity());

  @TempDir Path temp;

  @Test
  void aCommitCutOffAnywhereLosesAndDoublesNothing() throws Exception {
    int changes = 0;
    boolean sawLost = false;
    boolean sawKept = false;
    for (boolean completed = false; !completed; changes++) {
      Path out = temp.resolve("commit" + changes);
      DyingStorage storage = new DyingStorage(out);
      OutputFolder folder = killed(storage, "r1");
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("a", 20))));
      TaskOutput second = Outputs.task(folder, 2, 0, new TreeMap<>(Map.of("b", 8, "c", 9)));
      TaskOutput third = Outputs.task(folder, 2, 1, Map.of("d", 17));
      storage.dieAfter(changes);
      try {
        folder.commitWave(2, List.of(second, third));
        completed = true;
      } catch (DyingStorage.Death expected) {
        assertThat(expected).hasMessage("killed");
      }
      storage.dieAfter(Integer.MAX_VALUE);
      Set<String> kept = reopenAndFinish(out, changes);
      sawLost |= !kept.contains(OutputFolder.doneKey("b", "sha-b"));
      sawKept |= kept.contains(OutputFolder.doneKey("b", "sha-b"));
    }
    assertThat(changes).isGreaterThan(10);
    assertThat(sawLost).isTrue();
    assertThat(sawKept).isTrue();
  }

  /** Opens as the next run, does what is missing, checks all. Returns what was done at opening. */
  private static Set<String> reopenAndFinish(Path out, int changes) throws Exception {
    Set<String> kept;
    try (OutputFolder folder = Outputs.open(out, "r2")) {
      kept = folder.done();
      checkWhole(out, folder.manifest());
      assertThat(folder.manifest().runs().get(0).settings()).containsEntry("model", "m of r1");
      assertThat(kept).contains(OutputFolder.doneKey("a", "sha-a"));
      Map<String, Integer> missing = new TreeMap<>(Map.of("b", 8, "c", 9, "d", 17));
      missing.keySet().removeIf(id -> kept.contains(OutputFolder.doneKey(id, "sha-" + id)));
      assertThat(missing.size()).as("change %d", changes).isIn(0, 3);
      if (!missing.isEmpty()) {
        folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, missing)));
      }
    }
    Manifest manifest = ManifestStore.load(new Storage(Outputs.CONF, out.toString())).orElseThrow();
    checkWhole(out, manifest);
    assertThat(documents(out)).containsExactlyInAnyOrder("a", "b", "c", "d");
    assertThat(out.resolve("_lock")).doesNotExist();
    assertThat(out.resolve("_staging")).doesNotExist();
    return kept;
  }

  @Test
  void anOpeningCutOffAnywhereIsMadeGoodByTheNext() throws Exception {
    int changes = 0;
    for (boolean completed = false; !completed; changes++) {
      Path out = temp.resolve("open" + changes);
      OutputFolder first = killed(new DyingStorage(out), "r1");
      first.commitWave(1, List.of(Outputs.task(first, 1, 0, Map.of("a", 20))));
      Outputs.task(first, 2, 0, Map.of("b", 8));
      Files.copy(
          out.resolve("kv/r1-w00001-p00000-0000.parquet"),
          out.resolve("kv/r1-w00002-p00000-0000.parquet"));
      DyingStorage storage = new DyingStorage(out);
      storage.dieAfter(changes);
      try {
        killed(storage, "r2");
        completed = true;
      } catch (DyingStorage.Death expected) {
        assertThat(expected).hasMessage("killed");
      }
      try (OutputFolder folder = Outputs.open(out, "r3")) {
        checkWhole(out, folder.manifest());
        assertThat(folder.done()).containsExactly(OutputFolder.doneKey("a", "sha-a"));
      }
      assertThat(documents(out)).containsExactly("a");
      assertThat(out.resolve("_staging")).doesNotExist();
    }
    assertThat(changes).isGreaterThan(4);
  }

  @Test
  void filesOfAnotherProgramAreNotTakenForRemains() throws Exception {
    Path out = temp.resolve("out");
    Outputs.open(out, "r1").close();
    Files.createDirectories(out.resolve("kv"));
    Files.writeString(out.resolve("kv/notes.txt"), "mine");
    Files.createDirectories(out.resolve("documents"));
    Files.writeString(out.resolve("documents/r9-w00001.parquet"), "not Parquet");
    assertThatThrownBy(() -> Outputs.open(out, "r2")).hasMessageContaining("r9-w00001.parquet");
    Files.delete(out.resolve("documents/r9-w00001.parquet"));
    Outputs.open(out, "r2").close();
    assertThat(out.resolve("kv/notes.txt")).hasContent("mine");
  }

  /** Every table's files are those of the manifest, with their sizes and rows. */
  private static void checkWhole(Path out, Manifest manifest) throws IOException {
    Storage storage = new Storage(Outputs.CONF, out.toString());
    for (Table table : Table.values()) {
      List<String> stored = new ArrayList<>();
      for (StoredFile file : manifest.files(table)) {
        assertThat(storage.size(file.path())).isEqualTo(file.bytes());
        assertThat(StoredRows.rows(storage, file.path())).isEqualTo(file.rows());
        stored.add(file.path());
      }
      List<String> found =
          storage.list(table.folder()).stream().map(e -> table.folder() + "/" + e.name()).toList();
      assertThat(found).containsExactlyInAnyOrderElementsOf(stored);
    }
  }

  private static List<String> documents(Path out) throws IOException {
    Storage storage = new Storage(Outputs.CONF, out.toString());
    List<String> ids = new ArrayList<>();
    for (Storage.Entry file : storage.list("documents")) {
      try (StoredRows reader =
          StoredRows.open(storage, "documents/" + file.name(), Table.DOCUMENTS.columns("doc_id"))) {
        for (Group row = reader.next(); row != null; row = reader.next()) {
          ids.add(row.getString("doc_id", 0));
        }
      }
    }
    return ids;
  }

  /** A folder whose owner counts as dead for whoever looks at its lock. */
  private static OutputFolder killed(Storage storage, String runId) throws Exception {
    Clock clock = Clock.systemUTC();
    return OutputFolder.open(
        storage,
        IDENTITY,
        OutputLockTest.formerOwner(runId, Instant.now()),
        null,
        Map.of("model", "m of " + runId),
        clock,
        time -> {});
  }
}
