package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The same command over an input that changes between runs. Oracles: the list of what was changed,
 * and verify, which reads every row.
 */
class ScheduledRunsTest {
  private static final String FIRST = Cli.line("change", 11, 12, 13, 14);
  private static final String SECOND = Cli.line("change", 21, 22, 23);
  private static final String KEEP = Cli.line("keep", 5, 6, 7);
  private static final String FIXED = Cli.line("broken", 31, 32);

  @TempDir Path folder;
  private Path output;

  private Cli runAll(String... lines) throws IOException {
    return run("all", lines);
  }

  private Cli run(String retain, String... lines) throws IOException {
    output = folder.resolve("out");
    Path input = Files.write(folder.resolve("in.jsonl"), List.of(lines));
    return Cli.runOver(
            input,
            output,
            "--max-error-rate",
            0.5,
            "--retain",
            retain,
            "--grace-hours",
            0,
            "--writer-threads",
            2)
        .expect(ExitCode.DONE);
  }

  private void verify() {
    Cli.run("verify", "--output", output, "--sample", 0).expect(ExitCode.DONE);
  }

  private static List<Integer> counts(Cli run) throws IOException {
    JsonNode json = run.json();
    return List.of(
        json.path("new").asInt(-1),
        json.path("changed").asInt(-1),
        json.path("unchanged").asInt(-1),
        json.path("documents").path("failed").asInt(-1),
        json.path("gone").asInt(-1));
  }

  /** What a reader takes: the tokens of the newest content. */
  private List<Integer> newestTokens(String docId) {
    String where = "doc_id = '" + docId + "'";
    String newest =
        Cli.rows(output, "documents", "run_id", where + " and status = 'ok'").stream()
            .map(row -> row.getString(0))
            .max(String::compareTo)
            .orElseThrow();
    List<Row> rows =
        Cli.rows(output, "tokens", "token_ids", where + " and run_id = '" + newest + "'");
    assertThat(rows).hasSize(1);
    return rows.get(0).getList(0);
  }

  @Test
  void onlyNewAndChangedAndFailedDocumentsAreProcessed() throws IOException {
    Cli first = runAll(KEEP, FIRST, Cli.line("leave", 8, 9), Cli.line("broken", 9999));
    assertThat(counts(first))
        .as("new, changed, unchanged, failed, gone")
        .containsExactly(3, 0, 0, 1, 0);

    Cli second = runAll(KEEP, SECOND, FIXED, Cli.line("fresh", 41, 42));
    assertThat(counts(second)).containsExactly(2, 1, 1, 0, 1);
    assertThat(second.out())
        .contains("3 documents pre-filled (2 new, 1 changed)", "1 unchanged")
        .contains("1 documents of the output are not in the input any more");
    assertThat(newestTokens("change")).containsExactly(21, 22, 23);

    Cli third = runAll(KEEP, SECOND, FIXED, Cli.line("fresh", 41, 42));
    assertThat(counts(third)).containsExactly(0, 0, 4, 0, 1);
    assertThat(third.out()).contains("Nothing to do");
    assertThat(Cli.rows(output, "documents", "doc_id", "status = 'ok'")).hasSize(6);
    verify();
    historyTellsOfAllThree();
  }

  private void historyTellsOfAllThree() throws IOException {
    Path page = folder.resolve("history.html");
    Cli cli =
        Cli.run("history", "--output", output, "--gpu-price", 7200, "--html", page)
            .expect(ExitCode.DONE);
    JsonNode json = cli.json();
    assertThat(json.path("runs").asInt()).isEqualTo(3);
    assertThat(json.path("documents").toString()).isEqualTo("{\"ok\":6,\"failed\":1}");
    assertThat(json.path("history"))
        .extracting(
            run -> run.path("new") + " " + run.path("changed") + " " + run.path("unchanged"))
        .containsExactly("3 0 0", "2 1 1", "0 0 4");
    assertThat(json.path("history")).allMatch(run -> run.path("state").asText().equals("done"));
    assertThat(json.path("history").path(0).path("errors").toString())
        .contains("token id N at position N is not in the model's vocabulary of N", ":1}");
    double hours = json.path("engine_hours").asDouble();
    assertThat(hours).isPositive();
    assertThat(json.path("cost").asDouble()).isEqualTo(7200 * hours, Offset.offset(1.0));
    assertThat(json.path("bytes").asLong())
        .isEqualTo(bytesOf("documents") + bytesOf("tokens") + bytesOf("kv") + bytesOf("logits"));
    assertThat(cli.out()).contains("3 runs: 6 documents pre-filled, 1 failed");
    assertThat(page).content().contains("Runs over " + output, "<svg");
  }

  private long bytesOf(String table) throws IOException {
    try (Stream<Path> files = Files.list(output.resolve(table))) {
      return files.mapToLong(file -> file.toFile().length()).sum();
    }
  }

  @Test
  void aContentThatComesBackIsTheNewestAgain() throws IOException {
    runAll(KEEP, FIRST);
    runAll(KEEP, SECOND);

    Cli third = runAll(KEEP, FIRST);

    assertThat(counts(third)).containsExactly(0, 1, 1, 0, 0);
    assertThat(newestTokens("change")).containsExactly(11, 12, 13, 14);
    verify();
  }

  @Test
  void supersededAndUnlistedDocumentsGo() throws IOException {
    String leave = Cli.line("leave", 8, 9);
    runAll(KEEP, FIRST, leave);
    runAll(KEEP, SECOND, leave);
    Cli plan = Cli.run("retain", "--output", output, "--dry-run").expect(ExitCode.DONE);
    assertThat(plan.json().path("removed").asInt()).isEqualTo(1);
    assertThat(rows("kv", "change")).isEqualTo(2 * 4);

    Cli newest = run("newest", KEEP, SECOND, leave);
    assertThat(newest.out()).contains("Removed 1 superseded contents in 1 waves of");
    assertThat(newestTokens("change")).containsExactly(21, 22, 23);
    assertThat(rows("kv", "change")).as("one block of each of four layers").isEqualTo(4);
    assertThat(rows("documents", "change")).isEqualTo(1);
    Cli.run("verify", "--output", output, "--sample", 3).expect(ExitCode.DONE);

    Cli unsure = run("listed", KEEP, SECOND, "{\"doc_id\": \"leave\", \"text");
    assertThat(unsure.out())
        .contains("of the input's 3 documents 1 could not be read", "Nothing is superseded");
    Cli listed = run("listed", KEEP, SECOND);
    assertThat(listed.out()).contains("Removed 1 superseded contents");
    assertThat(rows("documents", "leave") + rows("kv", "leave") + rows("tokens", "leave")).isZero();
    assertThat(rows("kv", "keep")).isEqualTo(4);
    verify();

    JsonNode history = Cli.run("history", "--output", output).expect(ExitCode.DONE).json();
    assertThat(history.path("documents").path("ok").asInt()).as("copies do not count").isEqualTo(4);
    assertThat(history.path("history"))
        .anyMatch(run -> run.path("command").asText().equals("retain"));
    Cli.run("retain", "--output", output, "--min-share", 2).expect(ExitCode.USAGE);
  }

  private int rows(String table, String docId) {
    return Cli.rows(output, table, "doc_id", "doc_id = '" + docId + "'").size();
  }
}
