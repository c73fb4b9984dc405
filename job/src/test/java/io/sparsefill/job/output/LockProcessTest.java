package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The owner of the lock is a process of its own, alive and then killed. Oracle: what the system
 * says of the process.
 */
class LockProcessTest {
  @TempDir Path temp;

  /** Opens the folder, commits a wave, leaves another half staged, and waits. */
  public static void main(String[] arguments) throws Exception {
    Path out = Path.of(arguments[0]);
    Claim claim = Claim.of("run", "app-of-owner");
    OutputFolder folder =
        OutputFolder.open(Outputs.CONF, out.toString(), Outputs.identity(), "r1", Map.of(), claim);
    folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("a", 20))));
    Outputs.task(folder, 2, 0, Map.of("b", 20));
    System.out.println("holds the lock");
    System.in.read(); // until the test ends this process, or ends itself
  }

  @Test
  @Timeout(value = 3, unit = TimeUnit.MINUTES)
  void aLivingOwnerIsNamedAndAKilledOneIsFollowedAtOnce() throws Exception {
    Path out = temp.resolve("out");
    Process owner =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                LockProcessTest.class.getName(),
                out.toString())
            .redirectError(temp.resolve("owner.log").toFile())
            .start();
    try (BufferedReader said = owner.inputReader(StandardCharsets.UTF_8)) {
      assertThat(said.readLine()).isEqualTo("holds the lock");

      assertThatThrownBy(() -> open(out, "r2", null))
          .isInstanceOf(OutputRefused.class)
          .hasMessageContaining("run r1 (process " + owner.pid() + " on ")
          .hasMessageContaining("user " + System.getProperty("user.name"))
          .hasMessageContaining("application app-of-owner, command run) writes to it since 20")
          .hasMessageContaining("--break-lock r1");
      assertThatThrownBy(() -> open(out, "r2", "r1")) // watched, and seen to beat
          .isInstanceOf(OutputRefused.class)
          .hasMessageMatching("(?s).*, last seen \\d s ago; .*"); // a beat is ten seconds
    } finally {
      owner.destroyForcibly().waitFor();
    }

    try (OutputFolder next = open(out, "r2", null)) {
      assertThat(next.lockTakenFrom().orElseThrow()).contains("run r1", "its process is gone");
      assertThat(next.done()).containsExactly(OutputFolder.doneKey("a", "sha-a"));
    }
    assertThat(Outputs.files(out)).noneMatch(file -> file.contains("w00002"));
  }

  private static OutputFolder open(Path out, String runId, String breakLock) throws Exception {
    Claim claim = new Claim("run", "", breakLock);
    return OutputFolder.open(
        Outputs.CONF, out.toString(), Outputs.identity(), runId, Map.of(), claim);
  }
}
