package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.output.OutputLock.Owner;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Time is a fixed clock moved by the test; dead owners are processes that the test let end. */
class OutputLockTest {
  private static final Instant NOW = Instant.parse("2026-01-02T03:04:05Z");

  @TempDir Path temp;
  private Storage storage;

  @BeforeEach
  void openStorage() throws IOException {
    storage = new Storage(Outputs.CONF, temp.toString());
  }

  private static Clock at(Instant now) {
    return Clock.fixed(now, ZoneOffset.UTC);
  }

  /** An owner like a killed run's: on this host, with the pid of a process that has ended. */
  static Owner deadOwner(String runId, Instant now) throws Exception {
    Path java = Path.of(System.getProperty("java.home"), "bin", "java");
    Process process =
        new ProcessBuilder(java.toString(), "-version")
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    process.waitFor();
    Owner self = Owner.self(runId, now);
    return new Owner(
        self.token(),
        runId,
        self.host(),
        self.boot(),
        process.pid(),
        "",
        self.started(),
        self.heartbeat());
  }

  private static Owner elsewhere(String runId, Instant now) {
    Owner self = Owner.self(runId, now);
    return new Owner(
        self.token(),
        runId,
        "other-host/192.0.2.1",
        "",
        4711,
        "",
        self.started(),
        self.heartbeat());
  }

  @Test
  void theLockNamesItsOwnerAndIsGivenBack() throws Exception {
    Owner owner = Owner.self("r1", NOW);
    try (OutputLock lock = OutputLock.take(storage, owner, at(NOW))) {
      lock.ensureHeld();
      assertThat(OutputLock.holder(storage)).contains(owner);
      assertThat(Files.readString(temp.resolve("_lock")))
          .contains("\"run_id\":\"r1\"")
          .contains("\"pid\":" + ProcessHandle.current().pid());
    }
    assertThat(temp.resolve("_lock")).doesNotExist();
  }

  @Test
  void aBeatMovesTheHeartbeat() throws Exception {
    Owner owner = Owner.self("r1", NOW);
    Instant later = NOW.plusSeconds(30);
    try (OutputLock lock = OutputLock.take(storage, owner, at(later))) {
      lock.beat();
      assertThat(OutputLock.holder(storage).orElseThrow().heartbeat()).isEqualTo(later.toString());
    }
  }

  @Test
  void aDeadOwnersLockIsTakenOverAtOnce() throws Exception {
    OutputLock dead = OutputLock.take(storage, deadOwner("killed", NOW), at(NOW));
    Owner next = Owner.self("next", NOW);
    try (OutputLock lock = OutputLock.take(storage, next, at(NOW))) {
      lock.ensureHeld();
      assertThat(OutputLock.holder(storage)).contains(next);
      dead.close();
      lock.ensureHeld();
    }
    assertThat(Outputs.files(temp)).isEmpty();
  }

  @Test
  void aReusedPidDoesNotKeepALockAlive() throws Exception {
    Owner self = Owner.self("killed", NOW);
    Owner reused =
        new Owner(
            self.token(),
            "killed",
            self.host(),
            self.boot(),
            self.pid(),
            "1999-01-01T00:00:00Z",
            self.started(),
            self.heartbeat());
    assertThat(reused.dead()).isTrue();
    assertThat(self.dead()).isFalse();
  }

  @Test
  void anOwnerElsewhereIsRespectedForTwoMinutes() throws Exception {
    OutputLock other = OutputLock.take(storage, elsewhere("far", NOW), at(NOW));
    Instant soon = NOW.plus(Duration.ofSeconds(119));
    assertThatThrownBy(() -> OutputLock.take(storage, Owner.self("next", soon), at(soon)))
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("run far (process 4711 on other-host/192.0.2.1)")
        .hasMessageContaining("last seen 119 s ago");
    Instant late = NOW.plus(Duration.ofSeconds(121));
    try (OutputLock lock = OutputLock.take(storage, Owner.self("next", late), at(late))) {
      assertThatThrownBy(other::ensureHeld)
          .isInstanceOf(IOException.class)
          .hasMessageContaining("run next");
      assertThatThrownBy(other::beat).isInstanceOf(IOException.class);
      lock.ensureHeld();
    }
    other.close();
  }

  @Test
  void aLockThatIsNotWholeCountsByItsAge() throws Exception {
    Path file = Files.writeString(temp.resolve("_lock"), "{\"token\":\"ab");
    Files.setLastModifiedTime(file, FileTime.from(NOW));
    Instant soon = NOW.plusSeconds(5);
    assertThatThrownBy(() -> OutputLock.take(storage, Owner.self("next", soon), at(soon)))
        .isInstanceOf(OutputRefused.class);
    Instant late = NOW.plusSeconds(500);
    OutputLock.take(storage, Owner.self("next", late), at(late)).close();
  }

  @Test
  void aRunThatLostItsLockCommitsNothingAndRemovesNothing() throws Exception {
    Path out = temp.resolve("out");
    Storage folderStorage = new Storage(Outputs.CONF, out.toString());
    Identity identity = new Identity(Outputs.identity());
    OutputFolder lost =
        OutputFolder.open(folderStorage, identity, elsewhere("lost", NOW), Map.of(), at(NOW));
    TaskOutput task = Outputs.task(lost, 1, 0, Map.of("a", 8));
    Instant late = NOW.plusSeconds(500);
    try (OutputFolder next =
        OutputFolder.open(folderStorage, identity, Owner.self("next", late), Map.of(), at(late))) {
      TaskOutput mine = Outputs.task(next, 1, 0, Map.of("b", 8));
      assertThatThrownBy(() -> lost.commitWave(1, List.of(task)))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("run next");
      lost.close();
      next.commitWave(1, List.of(mine));
      assertThat(next.done()).containsExactly(OutputFolder.doneKey("b", "sha-b"));
    }
  }
}
