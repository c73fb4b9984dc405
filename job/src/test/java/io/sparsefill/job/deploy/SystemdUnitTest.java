package io.sparsefill.job.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.command.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code conf/sparsefill.service} and {@code .timer}. Oracles: systemd itself where it is
 * installed, and our command line.
 */
class SystemdUnitTest {
  private static final String INSTALLED = "/opt/sparsefill/";

  @TempDir Path folder;

  @Test
  void systemdTakesBoth() throws Exception {
    Programs.assumePresent("systemd-analyze", "--version");
    // It asks whether the program is there.
    String root = ConfFiles.FOLDER.getParent() + "/";
    Files.writeString(
        folder.resolve("sparsefill.service"),
        unit("sparsefill.service").replace("=" + INSTALLED, "=" + root));
    Files.copy(ConfFiles.FOLDER.resolve("sparsefill.timer"), folder.resolve("sparsefill.timer"));

    Programs.Ended right = verify("sparsefill.service", "sparsefill.timer");
    assertThat(right.code()).as(right.text()).isZero();
    assertThat(right.text()).isEmpty();

    Files.writeString(
        folder.resolve("sparsefill.service"),
        Files.readString(folder.resolve("sparsefill.service")).replace("Restart=", "Restarts="));
    assertThat(verify("sparsefill.service").text()).contains("Restarts");
  }

  private Programs.Ended verify(String... units) throws IOException, InterruptedException {
    String[] command = new String[units.length + 2];
    command[0] = "systemd-analyze";
    command[1] = "verify";
    for (int i = 0; i < units.length; i++) {
      command[i + 2] = folder.resolve(units[i]).toString();
    }
    return Programs.run(folder, Map.of(), command);
  }

  @Test
  void itsCommandIsOne() throws IOException {
    Matcher start =
        Pattern.compile("^ExecStart=(\\S+) (.*)$", Pattern.MULTILINE)
            .matcher(unit("sparsefill.service"));
    assertThat(start.find()).isTrue();
    assertThat(start.group(1)).startsWith(INSTALLED);
    Path launcher = ConfFiles.FOLDER.resolveSibling(start.group(1).substring(INSTALLED.length()));
    assertThat(launcher).isExecutable();
    List<String> arguments = Arrays.asList(start.group(2).strip().split("\\s+", -1));
    assertThat(CommandCheck.parses(arguments, Map.of())).isEqualTo("run");
  }

  /** What another attempt would not change. */
  @Test
  void exitCodesThatAreNotTriedAgain() throws IOException {
    assertThat(unit("sparsefill.service"))
        .contains(
            "RestartPreventExitStatus=%d %d %d\n"
                .formatted(ExitCode.USAGE, ExitCode.PROBLEMS, ExitCode.ERROR_RATE));
  }

  /** The file, continued lines joined. */
  private static String unit(String name) throws IOException {
    return Files.readString(ConfFiles.FOLDER.resolve(name)).replaceAll("\\\\\n\\s*", "");
  }
}
