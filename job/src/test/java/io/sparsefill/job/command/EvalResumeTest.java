package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * An evaluation in a process of its own, killed when it has stored some rows, and gone on with by
 * the same command. The oracle is the list of samples.
 */
class EvalResumeTest {
  private static final int SAMPLES = 60;
  private static final int TEXTS = 6;
  private static final int MODES = 2;
  private static final String NUMBERS = "sample, mode, hits, tokens_right, density, seconds";

  @TempDir Path folder;

  @Test
  @Timeout(value = 4, unit = TimeUnit.MINUTES)
  void noRowIsLostOrDoubledByKillNine() throws Exception {
    Path output = folder.resolve("out");
    List<String> command = command(output);
    List<String> process = new ArrayList<>();
    process.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    process.add("@" + Path.of(System.getProperty("sparsefill.root"), "job", "bin", "jvm-options"));
    process.addAll(List.of("-Xmx1g", "-cp", System.getProperty("java.class.path")));
    process.add("io.sparsefill.job.Main");
    process.addAll(command);
    process.addAll(List.of("--master", "local[1]"));

    Process first = new ProcessBuilder(process).start();
    boolean stored = false;
    try (BufferedReader log = first.errorReader(StandardCharsets.UTF_8)) {
      String line = log.readLine();
      while (line != null && !stored) {
        stored = line.matches(".* \\d+ of " + (SAMPLES + TEXTS) + " tasks are stored");
        line = stored ? null : log.readLine();
      }
      first.destroyForcibly();
    }
    assertThat(stored).as("it stored rows before it ended").isTrue();
    assertThat(first.waitFor()).as("exit code of a killed process").isNotZero();

    List<Row> before = Cli.rows(output, "samples", NUMBERS, "true");
    int all = (SAMPLES + TEXTS) * MODES;
    assertThat(before).as("killed in the middle").hasSizeBetween(1, all - 1);

    JsonNode totals = Cli.run(command.toArray()).expect(ExitCode.DONE).json();
    assertThat(totals.get("computed").asInt()).isBetween(1, all - MODES);
    List<Row> rows = Cli.rows(output, "samples", NUMBERS, "true");
    assertThat(rows).as("what was stored is not computed again").containsAll(before);
    Set<String> expected = new TreeSet<>();
    for (String mode : List.of("dense", "a-shape:64:128")) {
      for (int i = 0; i < SAMPLES; i++) {
        expected.add("passkey-500-" + i + " " + mode);
      }
      for (int i = 0; i < TEXTS; i++) {
        expected.add("ppl-500-" + i + " " + mode);
      }
    }
    assertThat(rows)
        .extracting(row -> row.getString(0) + " " + row.getString(1))
        .containsExactlyInAnyOrderElementsOf(expected);
    assertThat(Cli.rows(output, "perplexity", "text, mode, bucket_from", "true"))
        .as("each text's positions once")
        .doesNotHaveDuplicates()
        .hasSize(MODES * TEXTS * 2);
    JsonNode summary = new ObjectMapper().readTree(output.resolve("summary.json").toFile());
    assertThat(summary.get("cells").get(0).get("samples").asInt()).isEqualTo(SAMPLES);
  }

  private List<String> command(Path output) throws Exception {
    Path texts = Files.createDirectories(folder.resolve("texts"));
    for (int i = 0; i < TEXTS; i++) {
      Files.writeString(
          texts.resolve("log" + i + ".txt"), ("In the year 180" + i + " we sailed. ").repeat(100));
    }
    return List.of(
        "eval",
        "--model",
        Cli.MODEL.toString(),
        "--output",
        output.toString(),
        "--tasks",
        "passkey,ppl",
        "--lengths",
        "500",
        "--samples",
        Integer.toString(SAMPLES),
        "--attention",
        "dense,a-shape:64:128",
        "--wording",
        "plain",
        "--texts",
        texts.toString(),
        "--backend",
        "cpu");
  }
}
