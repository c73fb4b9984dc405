package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.job.output.Inspection;
import io.sparsefill.job.output.Manifest;
import io.sparsefill.job.output.Throughput;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.sql.Row;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Whole runs with the bundled model over short documents; oracles: Spark's own reader, the
 * tokenizer, verify.
 */
class RunCommandTest {
  @TempDir Path folder;

  @Test
  void runWritesAllTablesAndVerifyAndInspectAgree() throws IOException {
    Path input = Cli.documents(folder.resolve("in.jsonl"), 6, 150);
    Path output = folder.resolve("out");

    Cli run =
        Cli.runOver(
                input,
                output,
                "--emit",
                "kv,logits,nll,token-nll,hidden",
                "--last-positions",
                2,
                "--top-k",
                3,
                "--full-logits",
                "--block-tokens",
                64,
                "--wave-seconds",
                0.05)
            .expect(ExitCode.DONE);

    List<Row> documents = Cli.rows(output, "documents", "doc_id, token_count", "status = 'ok'");
    assertThat(documents)
        .extracting(row -> row.getString(0))
        .containsExactlyInAnyOrder("d0", "d1", "d2", "d3", "d4", "d5");
    long tokens = documents.stream().mapToLong(row -> row.getInt(1)).sum();
    JsonNode json = run.json();
    assertThat(json.path("documents").toString())
        .isEqualTo("{\"ok\":6,\"failed\":0,\"skipped\":0}");
    assertThat(json.path("tokens").asLong()).isEqualTo(tokens);
    assertThat(json.path("output").asText()).isEqualTo(output.toString());
    assertThat(json.path("run_id").asText()).isNotEmpty();
    assertThat(json.path("seconds").asDouble()).isPositive();
    assertThat(json.path("tokens_per_second").asDouble()).isPositive();
    assertThat(json.path("engine_idle").asDouble()).isStrictlyBetween(0.0, 1.0);
    Manifest manifest =
        Inspection.manifest(Cli.spark().sparkContext().hadoopConfiguration(), output.toString());
    Throughput throughput = manifest.runs().get(0).throughput();
    assertThat(throughput.idle())
        .isEqualTo(json.path("engine_idle").asDouble(), Offset.offset(5e-4));
    assertThat(throughput.idleInTasks()).isBetween(0.0, throughput.idle());
    assertThat(throughput.costs()).hasSize(1);
    assertThat(throughput.costs().get(0).fit().documents()).isEqualTo(6);

    List<Row> logits =
        Cli.rows(
            output,
            "logits",
            "size(top), length(logits), nll, perplexity, size(token_nll), size(hidden), position",
            "doc_id = 'd3'");
    assertThat(logits).hasSize(2);
    Row last = logits.get(0).isNullAt(2) ? logits.get(1) : logits.get(0);
    int d3 = Cli.rows(output, "documents", "token_count", "doc_id = 'd3'").get(0).getInt(0);
    assertThat(last.getInt(0)).isEqualTo(3);
    assertThat(last.getInt(1)).isEqualTo(2048 * 4);
    assertThat(last.getDouble(3)).isEqualTo(Math.exp(last.getDouble(2)));
    assertThat(last.getInt(4)).isEqualTo(d3 - 1);
    assertThat(last.getInt(5)).isEqualTo(192);
    assertThat(last.getInt(6)).isEqualTo(d3 - 1);

    Cli verify = Cli.run("verify", "--output", output, "--sample", 2).expect(ExitCode.DONE);
    assertThat(verify.json().path("ok").asBoolean()).isTrue();
    assertThat(verify.json().path("recomputed").asInt()).isEqualTo(2);
    Cli inspect = Cli.run("inspect", "--output", output).expect(ExitCode.DONE);
    assertThat(inspect.json().path("tokens").asLong()).isEqualTo(tokens);
    assertThat(inspect.json().path("documents").path("ok").asInt()).isEqualTo(6);
    Cli head =
        Cli.run(
                "inspect",
                "--output",
                output,
                "--doc",
                "d1",
                "--layer",
                3,
                "--head",
                1,
                "--count",
                2)
            .expect(ExitCode.DONE);
    assertThat(head.json().path("doc_id").asText()).isEqualTo("d1");
  }

  @Test
  void sameCommandAgainHasNothingToDo() throws IOException {
    Path input = Cli.documents(folder.resolve("in.jsonl"), 3, 60);
    Path output = folder.resolve("out");
    Cli.runOver(input, output).expect(ExitCode.DONE);

    Cli again = Cli.runOver(input, output).expect(ExitCode.DONE);

    assertThat(again.out()).contains("Nothing to do");
    assertThat(again.json().path("documents").toString())
        .isEqualTo("{\"ok\":0,\"failed\":0,\"skipped\":0}");
    assertThat(again.json().path("tokens").asLong()).isZero();
    assertThat(Cli.rows(output, "documents", "doc_id", "true")).hasSize(3);
  }

  @Test
  void manifestSaysWhichBackendComputedAndAnotherIsRefused() throws IOException {
    Path input = Cli.documents(folder.resolve("in.jsonl"), 1, 60);
    Path output = folder.resolve("out");
    Cli.runOver(input, output, "--backend", "cpu").expect(ExitCode.DONE);
    JsonNode manifest =
        new ObjectMapper().readTree(Files.readString(output.resolve("manifest.json")));
    assertThat(manifest.path("identity").path("backend").asText()).isEqualTo("cpu");
    Cli.documents(input, 2, 60);

    Cli other = Cli.runOver(input, output, "--backend", "cuda").expect(ExitCode.USAGE);

    assertThat(other.err())
        .contains("pre-filled by cpu", "--backend cuda", "use --backend cpu or auto");
    Cli plan =
        Cli.run("plan", "--model", Cli.MODEL, "--input", input, "--output", output)
            .expect(ExitCode.DONE);
    assertThat(plan.json().path("backend").asText()).isEqualTo("cpu");
    assertThat(plan.out()).contains("Backend: cpu (as the documents in " + output);
    // The least: a state of 192, and 4 query, 2 key and 2 value heads of 64, all fp32.
    long tokens = plan.json().path("longest_tokens").asLong();
    assertThat(plan.json().path("longest_device_bytes").asLong())
        .isGreaterThan(tokens * (192 + 8 * 64) * Float.BYTES);
    // auto goes on with the folder's backend, wherever it runs.
    Cli.runOver(input, output).expect(ExitCode.DONE);
    assertThat(Cli.rows(output, "documents", "doc_id", "device like 'cpu%'")).hasSize(2);
  }

  @Test
  void newDocumentsAreAddedToWhatIsThere() throws IOException {
    Path input = Cli.documents(folder.resolve("in.jsonl"), 3, 60);
    Path output = folder.resolve("out");
    Cli.runOver(input, output).expect(ExitCode.DONE);
    Cli.documents(input, 5, 60);

    Cli more = Cli.runOver(input, output).expect(ExitCode.DONE);

    assertThat(more.json().path("documents").path("ok").asInt()).isEqualTo(2);
    assertThat(Cli.rows(output, "documents", "doc_id", "status = 'ok'")).hasSize(5);
    Cli.run("verify", "--output", output).expect(ExitCode.DONE);
  }

  /**
   * One embedding row of the model is NaN, so a document with that token fails inside the engine,
   * when layer 0 has left already.
   */
  @Test
  void longDocumentsByPolicy() throws IOException {
    Path input = folder.resolve("in.jsonl");
    String text = "Here we go. ".repeat(30);
    Files.write(input, List.of(Cli.line("long", text), Cli.line("short", "Here we go.")));
    int tokens;
    try (TextTokenizer tokenizer = TextTokenizer.open(Cli.MODEL, BosPolicy.AUTO)) {
      tokens = tokenizer.encode(text).length;
    }

    Path fail = folder.resolve("fail");
    Cli.runOver(input, fail, "--max-tokens", 20, "--max-error-rate", 0.5).expect(ExitCode.DONE);
    assertThat(Cli.rows(fail, "documents", "status, error", "doc_id = 'long'").get(0).mkString(" "))
        .contains("failed", "has " + tokens + " tokens, more than --max-tokens 20");

    Path cut = folder.resolve("cut");
    Cli.runOver(input, cut, "--max-tokens", 20, "--on-too-long", "truncate").expect(ExitCode.DONE);
    Row row = Cli.rows(cut, "documents", "status, token_count", "doc_id = 'long'").get(0);
    assertThat(row.mkString(" ")).isEqualTo("truncated 20");
    Cli.run("verify", "--output", cut, "--model", Cli.MODEL).expect(ExitCode.DONE);

    Path skip = folder.resolve("skip");
    Cli run =
        Cli.runOver(input, skip, "--max-tokens", 20, "--on-too-long", "skip").expect(ExitCode.DONE);
    assertThat(run.json().path("documents").toString())
        .isEqualTo("{\"ok\":1,\"failed\":0,\"skipped\":1}");
  }

  @Test
  void textFolderAndKvOnly() throws IOException {
    Path input = Files.createDirectory(folder.resolve("texts"));
    Files.writeString(input.resolve("a.txt"), "First text.\r\nWith lines.\r\n");
    Files.writeString(input.resolve("b.txt"), "\uFEFFSecond text.");
    Path output = folder.resolve("out");
    Cli.runOver(input, output, "--emit", "kv", "--kv-dtype", "fp16", "--limit", 2)
        .expect(ExitCode.DONE);
    assertThat(Cli.rows(output, "documents", "doc_id", "status = 'ok'"))
        .extracting(row -> row.getString(0))
        .containsExactlyInAnyOrder("a.txt", "b.txt");
    assertThat(Cli.rows(output, "kv", "dtype", "layer = 0"))
        .extracting(row -> row.getString(0))
        .containsOnly("fp16");
    assertThat(output.resolve("logits")).doesNotExist();
    Cli.run("verify", "--output", output, "--model", Cli.MODEL).expect(ExitCode.DONE);
  }

  @Test
  void planAndDryRunWriteNothing() throws IOException {
    Path input = Cli.documents(folder.resolve("in.jsonl"), 5, 100);
    Path output = folder.resolve("out");

    Cli plan =
        Cli.run("plan", "--model", Cli.MODEL, "--input", input, "--wave-seconds", 0.05)
            .expect(ExitCode.DONE);
    Cli dry = Cli.runOver(input, output, "--dry-run").expect(ExitCode.DONE);

    assertThat(output).doesNotExist();
    assertThat(plan.json().path("documents").path("to_prefill").asInt()).isEqualTo(5);
    assertThat(plan.json().path("waves").asInt()).isGreaterThan(1);
    long tokens = dry.json().path("tokens").asLong();
    // needle-2m: 2 * 4 layers * 2 KV heads * 64 dims * 2 bytes
    assertThat(dry.json().path("kv_bytes").asLong()).isEqualTo(tokens * 2 * 4 * 2 * 64 * 2);
    assertThat(dry.json().path("predicted_seconds").asDouble()).isPositive();

    Cli.runOver(input, output).expect(ExitCode.DONE);
    Cli rest =
        Cli.run("plan", "--model", Cli.MODEL, "--input", input, "--output", output)
            .expect(ExitCode.DONE);
    assertThat(rest.json().path("documents").path("to_prefill").asInt()).isZero();
    assertThat(rest.json().path("documents").path("done").asInt()).isEqualTo(5);

    assertThat(plan.json().path("basis").asText()).startsWith("assumed");
    assertThat(rest.json().path("basis").asText()).startsWith("fitted to 5 documents");
    assertThat(rest.out()).contains("on cpu (").contains("median error");
    Cli other =
        Cli.run(
                "plan",
                "--model",
                Cli.MODEL,
                "--input",
                input,
                "--output",
                output,
                "--weights",
                "stream")
            .expect(ExitCode.DONE);
    assertThat(other.json().path("basis").asText()).startsWith("assumed");
  }

  @Test
  void brokenSparkJobIsACrashWithItsMessage() {
    Cli.spark()
        .sql("SELECT 'x' AS doc_id, CAST(raise_error('the source is gone') AS STRING) AS text")
        .createOrReplaceTempView("gone");
    Cli run =
        Cli.run(
                "run",
                "--model",
                Cli.MODEL,
                "--input",
                "gone",
                "--format",
                "table",
                "--output",
                folder.resolve("out"))
            .expect(ExitCode.CRASH);
    assertThat(run.out()).isEmpty();
    assertThat(run.err()).startsWith("sparsefill: ").contains("the source is gone");
  }

  /** The next run would read its own tables as documents. */
  @Test
  void outputInsideTheInputIsRefused() throws IOException {
    Path input = Files.createDirectory(folder.resolve("in"));
    Cli.documents(input.resolve("a.jsonl"), 1, 20);
    for (String inside : List.of("out", "deep/out", "")) {
      Path output = input.resolve(inside);
      Cli run = Cli.runOver(input, output).expect(ExitCode.USAGE);
      assertThat(run.err()).contains("it lies in the input '" + input + "'");
      assertThat(Cli.runOver(input, output, "--dry-run").expect(ExitCode.USAGE).err())
          .contains("choose another --output");
    }
    assertThat(input).isDirectoryNotContaining(file -> !file.endsWith("a.jsonl"));
    Cli.runOver(input, folder.resolve("in2")).expect(ExitCode.DONE);
    Cli.runOver(input, input.resolve("_out")).expect(ExitCode.DONE); // never read
  }

  @Test
  void verifyFindsABlockThatWasChanged() throws IOException {
    Path input = Cli.documents(folder.resolve("in.jsonl"), 1, 60);
    Path output = folder.resolve("out");
    Cli.runOver(input, output).expect(ExitCode.DONE);
    try (var files = Files.list(output.resolve("kv"))) {
      Files.delete(files.findFirst().orElseThrow());
    }
    Cli verify = Cli.run("verify", "--output", output).expect(ExitCode.PROBLEMS);
    assertThat(verify.json().path("ok").asBoolean()).isFalse();
    assertThat(verify.out()).contains("is missing");
  }

  @Test
  void sparkConfigurationGivesOptions() throws IOException {
    Path input = Cli.documents(folder.resolve("in.jsonl"), 1, 20);
    Path output = folder.resolve("out");
    Cli.spark().conf().set("spark.sparsefill.model", Cli.MODEL.toString());
    Cli.spark().conf().set("spark.sparsefill.block-tokens", "16");
    try {
      Cli.run("run", "--input", input, "--output", output).expect(ExitCode.DONE);
    } finally {
      Cli.spark().conf().unset("spark.sparsefill.model");
      Cli.spark().conf().unset("spark.sparsefill.block-tokens");
    }
    assertThat(Cli.rows(output, "kv", "token_count", "layer = 0 and block = 0"))
        .extracting(row -> row.getInt(0))
        .containsExactly(16);
  }
}
