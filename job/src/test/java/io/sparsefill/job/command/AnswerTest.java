package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Whole runs that answer a question of each document with the bundled model, which was trained to
 * find values in JSON objects of UUIDs; the oracle is the object that was written.
 */
class AnswerTest {
  @TempDir Path folder;

  /** A document with its question, and the value that is asked for, up to its closing quote. */
  private record Asked(String docId, String text, String question, String value) {
    static Asked of(int i, int pairs) {
      Random random = new Random(i);
      List<String> keys = new ArrayList<>();
      List<String> values = new ArrayList<>();
      StringBuilder json = new StringBuilder();
      for (int p = 0; p < pairs; p++) {
        keys.add(uuid(random));
        values.add(uuid(random));
        json.append(p == 0 ? "" : ", ")
            .append("\"%s\": \"%s\"".formatted(keys.get(p), values.get(p)));
      }
      int which = pairs / 3;
      return new Asked(
          "d" + i,
          "Extract the value corresponding to the specified key in the JSON object below.\n\nJSON data:\n{"
              + json
              + "}",
          "\n\nKey: \"%s\"\nThe value associated with the specified key is: \""
              .formatted(keys.get(which)),
          values.get(which) + "\"");
    }

    private static String uuid(Random random) {
      String hex = "%016x%016x".formatted(random.nextLong(), random.nextLong());
      return String.join(
          "-",
          hex.substring(0, 8),
          hex.substring(8, 12),
          hex.substring(12, 16),
          hex.substring(16, 20),
          hex.substring(20));
    }

    String line() {
      ObjectNode line = new ObjectMapper().createObjectNode();
      return line.put("doc_id", docId).put("text", text).put("asks", question).toString();
    }

    /** Tokens of document and question. */
    int tokens() {
      try (TextTokenizer tokenizer = TextTokenizer.open(Cli.MODEL, BosPolicy.AUTO)) {
        return tokenizer.encode(text).length + tokenizer.encodeMore(question).length;
      }
    }

    int[] answer() {
      try (TextTokenizer tokenizer = TextTokenizer.open(Cli.MODEL, BosPolicy.AUTO)) {
        return tokenizer.encodeMore(value);
      }
    }
  }

  private static List<Row> answers(Path output) {
    return Cli.rows(
        output,
        "answers",
        "doc_id, question, answer, token_ids, logprobs, finish_reason, run_id",
        "true");
  }

  @Test
  void everyDocumentsQuestionIsAnsweredAndVerified() throws IOException {
    List<Asked> asked = new ArrayList<>();
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      asked.add(Asked.of(i, 20 + 4 * i));
      lines.add(asked.get(i).line());
    }
    Path input = Files.write(folder.resolve("in.jsonl"), lines);
    Path output = folder.resolve("out");
    int most = asked.stream().mapToInt(a -> a.answer().length).max().getAsInt();
    Object[] options = {
      "--emit",
      "kv,answer",
      "--question-column",
      "asks",
      "--max-new-tokens",
      most,
      "--kv-dtype",
      "fp32"
    };
    Cli.runOver(input, output, options).expect(ExitCode.DONE);

    List<Row> rows = answers(output);
    assertThat(rows).hasSize(4);
    for (Row row : rows) {
      Asked expected = asked.get(Integer.parseInt(row.getString(0).substring(1)));
      assertThat(row.getString(1)).isEqualTo(expected.question());
      assertThat(row.getString(2)).startsWith(expected.value());
      List<Integer> tokens = row.getList(3);
      assertThat(tokens.subList(0, expected.answer().length))
          .containsExactly(Arrays.stream(expected.answer()).boxed().toArray(Integer[]::new));
      assertThat(row.<Double>getList(4)).hasSameSizeAs(tokens).allMatch(p -> p <= 0 && p > -5);
      assertThat(row.getString(5)).isEqualTo(tokens.size() == most ? "length" : "eos");
    }
    assertThat(output.resolve("logits")).doesNotExist();

    Cli verify = Cli.run("verify", "--output", output).expect(ExitCode.DONE);
    assertThat(verify.out()).contains("answer values");
    assertThat(Cli.run("inspect", "--output", output).expect(ExitCode.DONE).out())
        .contains("answers");
    Cli again = Cli.runOver(input, output, options).expect(ExitCode.DONE);
    assertThat(again.out()).contains("Nothing to do");

    // Another question about a finished document is another piece of work.
    Asked other = asked.get(1);
    lines.set(
        1,
        new Asked(other.docId(), other.text(), other.question().replace("Key", "key"), "").line());
    Files.write(input, lines);
    Cli more = Cli.runOver(input, output, options).expect(ExitCode.DONE);
    assertThat(more.json().path("documents").path("ok").asInt()).isEqualTo(1);
    assertThat(answers(output)).hasSize(5);
  }

  /** The document and its question fit exactly; a longer question does not. */
  @Test
  void whatCannotBeAskedIsTheDocumentsOwnError() throws IOException {
    Asked good = Asked.of(7, 10);
    String noQuestion = Cli.line("none", "text");
    Path input =
        Files.write(
            folder.resolve("in.jsonl"),
            List.of(
                good.line(),
                noQuestion,
                noQuestion.replace("none", "empty").replace("}", ",\"asks\":\"\"}"),
                new Asked("long", good.text(), good.question() + "why?", "").line()));
    Path output = folder.resolve("out");
    Cli run =
        Cli.runOver(
                input,
                output,
                "--emit",
                "answer",
                "--question-column",
                "asks",
                "--max-new-tokens",
                2,
                "--max-tokens",
                good.tokens() + 2,
                "--max-error-rate",
                1)
            .expect(ExitCode.DONE);
    assertThat(run.json().path("documents").path("ok").asInt()).isEqualTo(1);
    assertThat(answers(output))
        .singleElement()
        .satisfies(
            row -> {
              assertThat(row.getString(0)).isEqualTo("d7");
              assertThat(row.getList(3)).hasSize(2);
              assertThat(row.getString(5)).isEqualTo("length");
            });
    assertThat(Cli.rows(output, "documents", "doc_id, error", "status = 'failed'"))
        .extracting(row -> row.getString(0) + ": " + row.getString(1))
        .hasSize(3)
        .anyMatch(e -> e.startsWith("none: ") && e.contains("check --question-column"))
        .anyMatch(e -> e.startsWith("empty: ") && e.contains("question in column 'asks'"))
        .anyMatch(
            e -> e.startsWith("long: ") && e.contains("with an answer of up to 2, more than"));
  }

  @Test
  void questionsAndAnswersGoTogether() throws IOException {
    Path input = Cli.documents(folder.resolve("in.jsonl"), 1, 60);
    Path output = folder.resolve("out");
    assertThat(Cli.runOver(input, output, "--emit", "answer").expect(ExitCode.USAGE).err())
        .contains("--emit answer", "name their column with --question-column");
    assertThat(Cli.runOver(input, output, "--question-column", "q").expect(ExitCode.USAGE).err())
        .contains("--question-column q", "has no answer; add it");
    assertThat(
            Cli.runOver(input, output, "--emit", "answer", "--question-column", "text")
                .expect(ExitCode.USAGE)
                .err())
        .contains("question column 'text'");
    assertThat(
            Cli.runOver(
                    input,
                    output,
                    "--emit",
                    "answer",
                    "--question-column",
                    "q",
                    "--max-new-tokens",
                    0)
                .expect(ExitCode.USAGE)
                .err())
        .contains("--max-new-tokens 0", "at least 1");
  }

  /** Its end tokens are none of its vocabulary, which only a run with answers has to know. */
  @Test
  void aModelThatCannotEndAnAnswerIsRefusedForAnswersAlone() throws IOException {
    Path model = Files.createDirectory(folder.resolve("endless"));
    for (String name : List.of("config.json", "tokenizer.json", "model.safetensors")) {
      Files.copy(Cli.MODEL.resolve(name), model.resolve(name));
    }
    Files.writeString(model.resolve("generation_config.json"), "{\"eos_token_id\": 99999}");
    Path input = Files.write(folder.resolve("in.jsonl"), List.of(Asked.of(1, 3).line()));
    Object[] run = {"run", "--model", model, "--input", input, "--output", folder.resolve("out")};
    assertThat(
            Cli.run(with(run, "--emit", "answer", "--question-column", "asks"))
                .expect(ExitCode.USAGE)
                .err())
        .contains("Cannot answer questions by model " + model, "eos_token_id");
    Cli.run(with(run, "--emit", "nll")).expect(ExitCode.DONE);
  }

  /** The plan's memory counts the cache that is kept, and the longest question. */
  @Test
  void planCountsTheKeptCache() throws IOException {
    Path input = Files.write(folder.resolve("in.jsonl"), List.of(Asked.of(1, 20).line()));
    Object[] base = {"plan", "--model", Cli.MODEL, "--input", input, "--emit"};
    long without = bytes(Cli.run(with(base, "logits")));
    long kept = bytes(Cli.run(with(base, "answer", "--question-column", "asks")));
    int tokens = Asked.of(1, 20).tokens() + 63;
    // fp32 keys and values, 4 layers instead of one, 2 KV heads of 64.
    assertThat(kept - without).isGreaterThan(3L * tokens * 2 * 128 * 4);
    assertThat(kept - without).isLessThan(2 * 3L * tokens * 2 * 128 * 4);
  }

  private static Object[] with(Object[] base, Object... more) {
    List<Object> all = new ArrayList<>(List.of(base));
    all.addAll(List.of(more));
    return all.toArray();
  }

  private static long bytes(Cli plan) throws IOException {
    return plan.expect(ExitCode.DONE).json().path("longest_device_bytes").asLong();
  }
}
