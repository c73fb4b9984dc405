package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A run in a process of its own, killed after its first wave and started again by the same command.
 * Oracles: the list of documents, and verify, which reads every checksum.
 */
class KillAndResumeTest {
  private static final int DOCUMENTS = 24;

  @TempDir Path folder;

  @Test
  @Timeout(value = 3, unit = TimeUnit.MINUTES)
  void nothingIsLostOrDoubledByKillNine() throws Exception {
    Path input = Cli.documents(folder.resolve("in.jsonl"), DOCUMENTS, 100);
    Path output = folder.resolve("out");
    List<String> command = command(input, output);

    Process first = new ProcessBuilder(command).start();
    boolean committed = false;
    try (BufferedReader log = first.errorReader(StandardCharsets.UTF_8)) {
      String line = log.readLine();
      while (line != null && !committed) {
        committed = line.matches(".* wave 2/\\d+ is committed.*");
        line = committed ? null : log.readLine();
      }
      first.destroyForcibly();
    }
    assertThat(committed).as("the run committed its second wave before it ended").isTrue();
    assertThat(first.waitFor()).as("exit code of a killed process").isNotZero();
    List<Row> before = Cli.rows(output, "documents", "doc_id", "status = 'ok'");
    assertThat(before).as("killed in the middle").hasSizeBetween(1, DOCUMENTS - 1);

    Process second =
        new ProcessBuilder(command)
            .redirectError(folder.resolve("second.log").toFile())
            .redirectOutput(folder.resolve("second.out").toFile())
            .start();
    assertThat(second.waitFor()).isEqualTo(ExitCode.DONE);

    assertThat(Cli.rows(output, "documents", "doc_id", "status = 'ok'"))
        .extracting(row -> row.getString(0))
        .containsExactlyInAnyOrderElementsOf(
            IntStream.range(0, DOCUMENTS).mapToObj(i -> "d" + i).toList());
    Cli verify = Cli.run("verify", "--output", output, "--model", Cli.MODEL).expect(ExitCode.DONE);
    assertThat(verify.out()).contains("All is well");
  }

  private List<String> command(Path input, Path output) {
    return List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "@" + Path.of(System.getProperty("sparsefill.root"), "job", "bin", "jvm-options"),
        "-Xmx1g",
        "-cp",
        System.getProperty("java.class.path"),
        "io.sparsefill.job.Main",
        "run",
        "--model",
        Cli.MODEL.toString(),
        "--input",
        input.toString(),
        "--output",
        output.toString(),
        "--wave-seconds",
        "0.1",
        "--master",
        "local[1]");
  }
}
