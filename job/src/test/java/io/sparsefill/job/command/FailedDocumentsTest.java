package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Whole runs in which documents fail, with the bundled model; oracles: the documents that were made
 * to fail, verify.
 */
class FailedDocumentsTest {
  @TempDir Path folder;

  @Test
  void documentThatFailsGetsItsRowAndHarmsNoOther() throws IOException {
    Path input = folder.resolve("in.jsonl");
    List<String> lines = new ArrayList<>();
    lines.add(Cli.line("good", 0, 5, 6, 7, 8));
    lines.add(Cli.line("outside", 0, 5, 2048));
    lines.add("{\"doc_id\": \"corrupt\", ");
    lines.add(Cli.line("empty", ""));
    lines.add(Cli.line("good", "the same name again"));
    lines.add(Cli.line("text", "Some text."));
    Files.write(input, lines);
    Path output = folder.resolve("out");

    Cli run =
        Cli.runOver(input, output, "--max-error-rate", 0.9, "--strict").expect(ExitCode.PROBLEMS);

    assertThat(run.json().path("documents").toString())
        .isEqualTo("{\"ok\":2,\"failed\":4,\"skipped\":0}");
    assertThat(Cli.rows(output, "documents", "doc_id", "status = 'ok'"))
        .extracting(row -> row.getString(0))
        .containsExactlyInAnyOrder("good", "text");
    assertThat(Cli.rows(output, "documents", "error", "doc_id = 'outside'").get(0).getString(0))
        .contains("2048", "position 2");
    assertThat(
            Cli.rows(output, "documents", "error", "doc_id = 'good' and status = 'failed'")
                .get(0)
                .getString(0))
        .contains("duplicate doc_id 'good'");
    assertThat(Cli.rows(output, "tokens", "token_ids", "doc_id = 'good'").get(0).getList(0))
        .isEqualTo(List.of(0, 5, 6, 7, 8));
    Cli.run("verify", "--output", output).expect(ExitCode.DONE);
  }

  @Test
  void documentThatFailsInsideTheEngineLeavesNothingVisible() throws IOException {
    Path model = BrokenModel.withNanEmbedding(folder, 300);
    Path input = folder.resolve("in.jsonl");
    int[] good = IntStream.range(0, 500).map(i -> 400 + i % 90).toArray();
    int[] bad = good.clone();
    bad[10] = 300;
    Files.write(
        input, List.of(Cli.line("good", good), Cli.line("bad", bad), Cli.line("fine", good)));
    Path output = folder.resolve("out");

    Cli.run(
            "run",
            "--model",
            model,
            "--input",
            input,
            "--output",
            output,
            "--emit",
            "kv",
            "--attention",
            "vertical-slash:40:120",
            "--max-error-rate",
            0.5)
        .expect(ExitCode.DONE);

    assertThat(Cli.rows(output, "documents", "doc_id", "status = 'ok'"))
        .extracting(row -> row.getString(0))
        .containsExactlyInAnyOrder("good", "fine");
    Row failed =
        Cli.rows(output, "documents", "token_count, error, density", "doc_id = 'bad'").get(0);
    assertThat(failed.getInt(0)).isEqualTo(500);
    assertThat(failed.getString(1)).contains("NaN");
    assertThat(failed.isNullAt(2)).isTrue();
    assertThat(Cli.rows(output, "tokens", "doc_id", "doc_id = 'bad'")).isEmpty();
    Cli.run("verify", "--output", output).expect(ExitCode.DONE);
  }

  @Test
  void tooManyErrorsBetweenWavesEndTheRunAndTheNextOneFinishes() throws IOException {
    Path model = BrokenModel.withNanEmbedding(folder, 300);
    Path input = folder.resolve("in.jsonl");
    int[] good = IntStream.range(0, 300).map(i -> 400 + i % 90).toArray();
    int[] bad = IntStream.range(0, 500).map(i -> i == 10 ? 300 : 400 + i % 90).toArray();
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < 24; i++) {
      lines.add(i < 4 ? Cli.line("bad" + i, bad) : Cli.line("good" + i, good)); // longest first
    }
    Files.write(input, lines);
    Path output = folder.resolve("out");
    List<Object> command =
        List.of(
            "run",
            "--model",
            model,
            "--input",
            input,
            "--output",
            output,
            "--emit",
            "kv",
            "--wave-seconds",
            0.05);

    Cli first = Cli.run(command.toArray()).expect(ExitCode.ERROR_RATE);

    long committed =
        first.json().path("documents").path("ok").asLong()
            + first.json().path("documents").path("failed").asLong();
    assertThat(committed).as("documents of whole waves").isBetween(2L, 23L);
    assertThat(first.out()).contains((24 - committed) + " documents were not tried");
    assertThat(Cli.rows(output, "documents", "doc_id", "true")).hasSize((int) committed);
    List<Object> lenient = new ArrayList<>(command);
    lenient.addAll(List.of("--max-error-rate", 1));
    Cli.run(lenient.toArray()).expect(ExitCode.DONE);
    assertThat(Cli.rows(output, "documents", "doc_id", "status = 'ok'")).hasSize(20);
    Cli.run("verify", "--output", output).expect(ExitCode.DONE);
  }

  @Test
  void failuresUnderTheLimitAreFineWithoutStrict() throws IOException {
    Path input = Cli.documents(folder.resolve("in.jsonl"), 4, 20);
    Files.writeString(input, Cli.line("bad", 9999) + "\n", java.nio.file.StandardOpenOption.APPEND);
    Path output = folder.resolve("out");
    Cli.runOver(input, output, "--max-error-rate", 0.2).expect(ExitCode.DONE);
    // Again: the finished ones count, so that one failure of five stays one of five.
    Cli.runOver(input, output, "--max-error-rate", 0.2).expect(ExitCode.DONE);
  }

  @Test
  void tooManyErrorsEndTheRunBeforeItPrefillsButKeepWhatIsCommitted() throws IOException {
    Path input = Cli.documents(folder.resolve("in.jsonl"), 3, 20);
    Files.writeString(input, Cli.line("bad", 9999) + "\n", java.nio.file.StandardOpenOption.APPEND);
    Path output = folder.resolve("out");

    Cli run = Cli.runOver(input, output).expect(ExitCode.ERROR_RATE);

    assertThat(run.out()).contains("25.0 %", "--max-error-rate 0.05", "3 documents were not tried");
    assertThat(run.json().path("documents").toString())
        .isEqualTo("{\"ok\":0,\"failed\":1,\"skipped\":0}");
    assertThat(Cli.rows(output, "documents", "doc_id, error", "true")).hasSize(1);
    Cli.runOver(input, output, "--max-error-rate", 0.25).expect(ExitCode.DONE);
    assertThat(Cli.rows(output, "documents", "doc_id", "status = 'ok'")).hasSize(3);
  }
}
