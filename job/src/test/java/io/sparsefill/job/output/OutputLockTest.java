package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.io.UncheckedIOException;
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

  private static LockOwner self(String runId, Instant now) {
    return LockOwner.self(runId, Claim.of("run", "app-1"), now);
  }

  /** Takes the lock with a clock that stands still, watching without waiting. */
  private OutputLock take(LockOwner owner, Clock clock) throws IOException {
    return take(owner, null, clock, time -> {});
  }

  private OutputLock take(LockOwner owner, String breakLock, Clock clock, OutputLock.Pause pause)
      throws IOException {
    return OutputLock.take(storage, owner, breakLock, clock, pause);
  }

  private static Clock at(Instant now) {
    return Clock.fixed(now, ZoneOffset.UTC);
  }

  /** An owner like a killed run's: on this host, with the pid of a process that has ended. */
  static LockOwner deadOwner(String runId, Instant now) throws Exception {
    Path java = Path.of(System.getProperty("java.home"), "bin", "java");
    Process process =
        new ProcessBuilder(java.toString(), "-version")
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    process.waitFor();
    LockOwner self = self(runId, now);
    return new LockOwner(
        self.token(),
        runId,
        "run",
        "",
        self.user(),
        self.host(),
        self.boot(),
        process.pid(),
        "",
        self.started(),
        self.heartbeat());
  }

  /** An owner as dead as that, but made without a process: its pid is this one's by now. */
  static LockOwner formerOwner(String runId, Instant now) {
    LockOwner self = self(runId, now);
    return new LockOwner(
        self.token(),
        runId,
        "run",
        "",
        self.user(),
        self.host(),
        self.boot(),
        self.pid(),
        "1999-01-01T00:00:00Z",
        self.started(),
        self.heartbeat());
  }

  private static LockOwner elsewhere(String runId, Instant now) {
    LockOwner self = self(runId, now);
    return new LockOwner(
        self.token(),
        runId,
        "run",
        "app-9",
        "ann",
        "other-host/192.0.2.1",
        "",
        4711,
        "",
        self.started(),
        self.heartbeat());
  }

  @Test
  void theLockNamesItsOwnerAndIsGivenBack() throws Exception {
    LockOwner owner = self("r1", NOW);
    try (OutputLock lock = take(owner, at(NOW))) {
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
    LockOwner owner = self("r1", NOW);
    Instant later = NOW.plusSeconds(30);
    try (OutputLock lock = take(owner, at(later))) {
      lock.beat();
      assertThat(OutputLock.holder(storage).orElseThrow().heartbeat()).isEqualTo(later.toString());
    }
  }

  @Test
  void aDeadOwnersLockIsTakenOverAtOnce() throws Exception {
    OutputLock dead = take(deadOwner("killed", NOW), at(NOW));
    LockOwner next = self("next", NOW);
    try (OutputLock lock = take(next, at(NOW))) {
      lock.ensureHeld();
      assertThat(OutputLock.holder(storage)).contains(next);
      dead.close();
      lock.ensureHeld();
    }
    assertThat(Outputs.files(temp)).isEmpty();
  }

  @Test
  void aReusedPidDoesNotKeepALockAlive() throws Exception {
    LockOwner self = self("killed", NOW);
    LockOwner reused = formerOwner("killed", NOW);
    assertThat(reused.dead()).isTrue();
    assertThat(self.dead()).isFalse();
  }

  /** As of two containers that share a host's name: neither sees the other's processes. */
  @Test
  void anOwnerInAnotherPidNamespaceIsNotTakenForDead() throws Exception {
    LockOwner gone = formerOwner("far", NOW);
    LockOwner hidden =
        new LockOwner(
            gone.token(),
            gone.runId(),
            gone.command(),
            gone.application(),
            gone.user(),
            gone.host(),
            gone.boot().replaceFirst("pid:.*", "pid:[1]"),
            gone.pid(),
            gone.processStarted(),
            gone.started(),
            gone.heartbeat());
    assumeThat(gone.boot()).as("Linux tells pid namespaces").contains("pid:[");
    assertThat(gone.dead()).isTrue();
    assertThat(hidden.dead()).isFalse();
  }

  /** Another run moves the dead owner's lock away between this run's look at it and its move. */
  @Test
  void aLockThatAnotherRunMovesAwayFirstIsLookedAtAgain() throws Exception {
    write(formerOwner("killed", NOW));
    Storage racing =
        new Storage(Outputs.CONF, temp.toString()) {
          private boolean first = true;

          @Override
          public void rename(String from, String to) throws IOException {
            if (first) {
              first = false;
              delete(from);
            }
            super.rename(from, to);
          }
        };
    LockOwner next = self("next", NOW);
    try (OutputLock lock = OutputLock.take(racing, next, null, at(NOW), time -> {})) {
      lock.ensureHeld();
      assertThat(OutputLock.holder(storage)).contains(next);
    }
  }

  /** What {@code inspect} and {@code history} go by. */
  @Test
  void onlyARunThatShowsLifeIsTheWriter() throws Exception {
    String output = temp.toString();
    assertThat(Inspection.writer(Outputs.CONF, output)).isEmpty();
    write(self("lives", Instant.now()));
    assertThat(Inspection.writer(Outputs.CONF, output)).contains("lives");
    write(formerOwner("killed", Instant.now()));
    assertThat(Inspection.writer(Outputs.CONF, output)).isEmpty();
    write(elsewhere("silent", Instant.now().minus(Duration.ofMinutes(3))));
    assertThat(Inspection.writer(Outputs.CONF, output)).isEmpty();
  }

  @Test
  void anOwnerElsewhereIsRespectedForTwoMinutes() throws Exception {
    OutputLock other = take(elsewhere("far", NOW), at(NOW));
    Instant soon = NOW.plus(Duration.ofSeconds(119));
    assertThatThrownBy(() -> take(self("next", soon), at(soon)))
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining(
            "run far (process 4711 on other-host/192.0.2.1, user ann, application app-9, command run)")
        .hasMessageContaining("last seen 119 s ago");
    Instant late = NOW.plus(Duration.ofSeconds(121));
    try (OutputLock lock = take(self("next", late), at(late))) {
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
    assertThatThrownBy(() -> take(self("next", soon), at(soon))).isInstanceOf(OutputRefused.class);
    Instant late = NOW.plusSeconds(500);
    take(self("next", late), at(late)).close();
  }

  @Test
  void aRunThatLostItsLockCommitsNothingAndRemovesNothing() throws Exception {
    Path out = temp.resolve("out");
    Storage folderStorage = new Storage(Outputs.CONF, out.toString());
    Identity identity = new Identity(Outputs.identity());
    OutputFolder lost =
        OutputFolder.open(
            folderStorage, identity, elsewhere("lost", NOW), null, Map.of(), at(NOW), time -> {});
    TaskOutput task = Outputs.task(lost, 1, 0, Map.of("a", 8));
    Instant late = NOW.plusSeconds(500);
    try (OutputFolder next =
        OutputFolder.open(
            folderStorage, identity, self("next", late), null, Map.of(), at(late), time -> {})) {
      TaskOutput mine = Outputs.task(next, 1, 0, Map.of("b", 8));
      assertThatThrownBy(() -> lost.commitWave(1, List.of(task)))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("run next");
      lost.close();
      next.commitWave(1, List.of(mine));
      assertThat(next.done()).containsExactly(OutputFolder.doneKey("b", "sha-b"));
    }
  }

  /** The owner's clock is three minutes behind, so that its lock looks stale while it beats. */
  @Test
  void anOwnerWhoseClockIsBehindIsFoundAliveByWatching() throws Exception {
    Instant behind = NOW.minus(Duration.ofMinutes(3));
    Instant[] theirs = {behind};
    LockOwner far = elsewhere("far", behind);
    try (OutputLock other = take(far, at(behind))) {
      Duration[] watched = {Duration.ZERO};
      OutputLock.Pause pause =
          time -> {
            watched[0] = watched[0].plus(time);
            if (watched[0].compareTo(OutputLock.HEARTBEAT) >= 0) {
              theirs[0] = behind.plus(watched[0]);
              write(far.seen(theirs[0]));
            }
          };
      assertThatThrownBy(() -> take(self("next", NOW), null, at(NOW), pause))
          .isInstanceOf(OutputRefused.class)
          .hasMessageContaining("run far");
      assertThat(watched[0]).isBetween(OutputLock.HEARTBEAT, OutputLock.WATCH);
      other.ensureHeld();
    }
  }

  private void write(LockOwner owner) {
    try {
      storage.replaceText("_lock", owner.json());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void aNamedLockIsBrokenAfterHalfAMinuteOfSilence() throws Exception {
    take(elsewhere("far", NOW), at(NOW));
    Instant soon = NOW.plusSeconds(5);
    Duration[] watched = {Duration.ZERO};
    LockOwner next = self("next", soon);
    try (OutputLock lock =
        take(next, "far", at(soon), time -> watched[0] = watched[0].plus(time))) {
      assertThat(watched[0]).isEqualTo(OutputLock.WATCH);
      assertThat(lock.takenFrom().orElseThrow())
          .contains("run far", "user ann", "no sign of life since " + NOW, "broken as asked for");
      assertThat(OutputLock.holder(storage)).contains(next);
    }
  }

  @Test
  void aNamedLockWhoseOwnerLivesIsNotBroken() throws Exception {
    LockOwner far = elsewhere("far", NOW);
    try (OutputLock other = take(far, at(NOW))) {
      assertThatThrownBy(
              () ->
                  take(self("next", NOW), "far", at(NOW), time -> write(far.seen(NOW.plus(time)))))
          .isInstanceOf(OutputRefused.class)
          .hasMessageContaining("run far")
          .hasMessageContaining("wait for it, or stop it");
      other.ensureHeld();
    }
  }

  @Test
  void aLockOfAnotherRunThanTheNamedOneIsAsWithoutTheName() throws Exception {
    try (OutputLock other = take(elsewhere("far", NOW), at(NOW))) {
      Instant soon = NOW.plusSeconds(5);
      assertThatThrownBy(() -> take(self("next", soon), "near", at(soon), time -> {}))
          .isInstanceOf(OutputRefused.class)
          .hasMessageContaining("Cannot break the lock of run near")
          .hasMessageContaining("run far");
      other.ensureHeld();
    }
    take(self("next", NOW), "far", at(NOW), time -> {}).close(); // there is none any more
    write(formerOwner("killed", NOW));
    take(self("next", NOW), "near", at(NOW), time -> {}).close();
    write(elsewhere("far", NOW));
    Instant late = NOW.plusSeconds(500);
    take(self("next", late), "near", at(late), time -> {}).close();
  }

  /** As an earlier version wrote it. */
  @Test
  void aLockWithoutUserAndCommandIsUnderstood() throws Exception {
    Files.writeString(
        temp.resolve("_lock"),
        """
        {"token":"t","run_id":"old","host":"h","boot":"","pid":7,"process_started":"",
        "started":"%s","heartbeat":"%s","later":1}
        """
            .formatted(NOW, NOW));
    assertThatThrownBy(() -> take(self("next", NOW), at(NOW)))
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("run old (process 7 on h) writes to it since");
  }
}
