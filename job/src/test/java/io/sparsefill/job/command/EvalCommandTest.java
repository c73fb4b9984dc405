package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.job.output.FolderLock;
import io.sparsefill.job.report.Unit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** {@code sparsefill eval} with the bundled model, from the command line to its tables. */
class EvalCommandTest {
  /** All columns whose values decide something; seconds are measured anew. */
  private static final String NUMBERS =
      "task, wording, length, depth, number, sample, mode, attention_digest, prefilled,"
          + " prompt_tokens, questions, hits, answers, answers_right, answer_tokens, tokens_right,"
          + " density, error";

  @TempDir Path folder;

  private Cli eval(Path output, Object... more) {
    List<Object> arguments =
        new ArrayList<>(
            List.of("eval", "--model", Cli.MODEL, "--output", output, "--backend", "cpu"));
    arguments.addAll(Arrays.asList(more));
    if (!arguments.contains("--wording")) {
      arguments.addAll(List.of("--wording", "plain"));
    }
    return Cli.run(arguments.toArray());
  }

  private Path texts(int words) throws IOException {
    StringBuilder text = new StringBuilder("It began.");
    for (int i = 0; i < words / 8; i++) {
      text.append(" In the year " + (1800 + i) + " the captain sailed home.\n");
    }
    return Files.writeString(folder.resolve("log.txt"), text);
  }

  /**
   * The oracle is what the model was measured at after its training, 48 of 48 (eval_dense.json).
   */
  @Test
  void denseAttentionFindsKeysAsAfterTheTraining() throws Exception {
    Path output = folder.resolve("out");
    eval(
            output,
            "--tasks",
            "kv",
            "--lengths",
            "4096",
            "--samples",
            "3",
            "--questions",
            "4",
            "--attention",
            "dense,vertical-slash:30:100")
        .expect(ExitCode.DONE);
    List<Row> rows =
        Cli.rows(
            output,
            "samples",
            "questions, hits, density, prefilled, prompt_tokens",
            "mode = 'dense'");
    assertThat(rows).hasSize(3);
    int hits = rows.stream().mapToInt(row -> row.getInt(1)).sum();
    assertThat(hits)
        .as("of 12; below 10 chance explains less than once in 500 at 0.98")
        .isBetween(10, 12);
    for (Row row : rows) {
      assertThat(row.getInt(0)).isEqualTo(4);
      assertThat(row.getDouble(2)).isEqualTo(1);
      assertThat(row.getString(3)).isEqualTo("context");
      assertThat(row.getInt(4)).isBetween(3_800, 4_096);
    }
    assertThat(Cli.rows(output, "samples", "density", "mode <> 'dense'"))
        .allSatisfy(row -> assertThat(row.getDouble(0)).isLessThan(0.7));
  }

  @Test
  void whatIsStoredIsNotComputedAgainAndRowsAreThoseOfOneCommand() throws Exception {
    Path texts = texts(900);
    Path parts = folder.resolve("parts");
    Path whole = folder.resolve("whole");
    Object[] common = {"--lengths", "600", "--texts", texts, "--seed", "5", "--depths", "10,90"};
    JsonNode first =
        eval(parts, with(common, "--tasks", "needle,ppl", "--samples", "1", "--attention", "dense"))
            .expect(ExitCode.DONE)
            .json();
    assertThat(first.get("computed").asInt()).isEqualTo(2);
    List<Row> before = Cli.rows(parts, "samples", "sample, mode, seconds", "true");
    Object[] all = {
      "--tasks", "needle,kv,ppl", "--samples", "2", "--attention", "dense,static:20:40"
    };
    JsonNode second = eval(parts, with(common, all)).expect(ExitCode.DONE).json();
    assertThat(second.get("computed").asInt()).as("5 samples, 2 modes, 2 rows there").isEqualTo(8);
    assertThat(eval(parts, with(common, all)).expect(ExitCode.DONE).json().get("computed").asInt())
        .isZero();
    eval(whole, with(common, all)).expect(ExitCode.DONE);

    assertThat(Cli.rows(parts, "samples", "sample, mode, seconds", "true")).containsAll(before);
    assertThat(Cli.rows(parts, "samples", NUMBERS, "true"))
        .hasSize(10)
        .containsExactlyElementsOf(Cli.rows(whole, "samples", NUMBERS, "true"));
    assertThat(Cli.rows(parts, "perplexity", "*", "true"))
        .hasSize(2 * 3)
        .containsExactlyElementsOf(Cli.rows(whole, "perplexity", "*", "true"));
    assertThat(Cli.rows(parts, "samples", "sample", "task = 'needle' and mode = 'dense'"))
        .extracting(row -> row.getString(0))
        .containsExactly("needle-600-d0.10-0", "needle-600-d0.90-1");
    JsonNode summary = new ObjectMapper().readTree(parts.resolve("summary.json").toFile());
    assertThat(summary.get("cells")).hasSize(6);
    assertThat(summary.get("perplexity")).hasSize(2);
    reportHasEveryValue(summary, Files.readString(parts.resolve("report.html")));
  }

  /** The oracle is summary.json, whose numbers are written anew as the page should. */
  private static void reportHasEveryValue(JsonNode summary, String page) {
    assertThat(page).startsWith("<!DOCTYPE html>").contains("static:20:40");
    for (JsonNode cell : summary.get("cells")) {
      if (cell.get("accuracy").isNumber()) {
        String task = cell.get("task").asText();
        assertThat(page).contains(">" + task + "<");
        assertThat(page).contains(Unit.SHARE.format(cell.get("accuracy").asDouble()));
      }
    }
    for (String list : List.of("perplexity", "perplexity_by_position")) {
      for (JsonNode cell : summary.get(list)) {
        assertThat(page).contains(Unit.NUMBER.format(cell.get("perplexity").asDouble()));
      }
    }
    summary.get("settings").forEach(value -> assertThat(text(page)).contains(value.asText()));
    assertThat(page).contains("Share of needles found", ">10.0 %<", ">90.0 %<");
  }

  private static String text(String html) {
    return html.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#39;", "'")
        .replace("&amp;", "&");
  }

  /** Dense attention and a pattern that holds every tile are the oracles. */
  @Test
  void fidelityComparesModesWithDenseAttentionOnDocuments() throws Exception {
    Path input = Cli.documents(folder.resolve("in.jsonl"), 2, 500);
    Files.writeString(input, Cli.line("empty", "") + "\n", StandardOpenOption.APPEND);
    Path output = folder.resolve("out");
    Object[] command = {
      "--fidelity",
      "--input",
      input,
      "--positions",
      "10",
      "--attention",
      "dense,vertical-slash:2000:2000,a-shape:64:64"
    };
    JsonNode totals = eval(output, command).expect(ExitCode.PROBLEMS).json();
    assertThat(totals.get("failed").asInt()).as("the empty one, three modes").isEqualTo(3);
    String numbers =
        "doc_id, positions, top1_agreed, top1_last, kl_last, kl_mean, kl_max, nll, layer_error, recall, density";
    for (Row row : Cli.rows(output, "fidelity", numbers, "mode = 'dense' and error is null")) {
      assertThat(row.getInt(1)).isEqualTo(11);
      assertThat(row.getInt(2)).isEqualTo(11);
      assertThat(row.getBoolean(3)).isTrue();
      assertThat(List.of(row.getDouble(4), row.getDouble(5), row.getDouble(6), row.getDouble(8)))
          .containsOnly(0.0);
      assertThat(row.getDouble(9)).isCloseTo(1, within(1e-5));
      assertThat(row.getDouble(10)).isEqualTo(1);
    }
    List<Row> all =
        Cli.rows(output, "fidelity", numbers, "mode like 'vertical%' and error is null");
    List<Row> few = Cli.rows(output, "fidelity", numbers, "mode like 'a-shape%' and error is null");
    assertThat(all).hasSize(2);
    assertThat(few).hasSize(2);
    assertThat(all).allSatisfy(row -> assertThat(row.getDouble(6)).isLessThan(1e-4));
    assertThat(few).allSatisfy(row -> assertThat(row.getDouble(5)).isGreaterThan(1e-3));
    assertThat(few).allSatisfy(row -> assertThat(row.getDouble(8)).isBetween(0.01, 1.5));
    assertThat(few).allSatisfy(row -> assertThat(row.getDouble(9)).isLessThan(0.999));
    assertThat(Cli.rows(output, "fidelity_layers", "layer", "doc_id = 'd0' and mode = 'dense'"))
        .hasSize(4);
    assertThat(text(Files.readString(output.resolve("report.html"))))
        .contains(
            "KL divergence by density", "Error of the attention's output by layer", ">empty<");
    JsonNode summary = new ObjectMapper().readTree(output.resolve("summary.json").toFile());
    assertThat(summary.get("fidelity")).hasSize(3);
    assertThat(summary.get("fidelity").get(2).get("documents").asInt()).isEqualTo(3);
    assertThat(summary.get("fidelity").get(2).get("kl_mean").asDouble())
        .isCloseTo(
            few.stream().mapToDouble(row -> row.getDouble(5)).average().orElseThrow(),
            within(1e-12));

    assertThat(eval(output, command).json().get("computed").asInt()).as("what failed").isEqualTo(3);
    assertThat(
            eval(output, with(command, "--max-tokens", "100", "--on-too-long", "truncate"))
                .expect(ExitCode.USAGE)
                .err())
        .contains("fidelity_truncated_to is never, now 100");
  }

  /** A text that is too short for a length fails; what else there is does not. */
  @Test
  void aFailedSampleIsARowAndIsAskedAgain() throws Exception {
    Path output = folder.resolve("out");
    Object[] command = {
      "--tasks",
      "ppl,passkey",
      "--lengths",
      "500,2000",
      "--samples",
      "1",
      "--attention",
      "dense",
      "--texts",
      texts(400)
    };
    Cli cli = eval(output, command).expect(ExitCode.PROBLEMS);
    assertThat(cli.json().get("failed").asInt()).isEqualTo(1);
    List<Row> failed =
        Cli.rows(output, "samples", "task, length, hits, error", "error is not null");
    assertThat(failed).hasSize(1);
    assertThat(failed.get(0).getString(0)).isEqualTo("ppl");
    assertThat(failed.get(0).getInt(1)).isEqualTo(2000);
    assertThat(failed.get(0).getString(3)).contains("log.txt");
    assertThat(Files.readString(output.resolve("report.html")))
        .contains("Failed samples", "ppl-2000-0", "The same command asks them again.");
    assertThat(eval(output, command).expect(ExitCode.PROBLEMS).json().get("computed").asInt())
        .isEqualTo(1);
  }

  /** The bundled model, made for fewer tokens by its configuration. */
  @Test
  void lengthsBeyondTheModelAreMarked() throws Exception {
    Path model = Cli.modelOf(512, folder.resolve("short"));
    Path output = folder.resolve("out");
    Cli.run(
            "eval",
            "--model",
            model,
            "--output",
            output,
            "--tasks",
            "passkey",
            "--lengths",
            "500,700",
            "--samples",
            "1",
            "--attention",
            "dense",
            "--backend",
            "cpu")
        .expect(ExitCode.DONE);
    JsonNode summary = new ObjectMapper().readTree(output.resolve("summary.json").toFile());
    assertThat(summary.get("lengths_beyond_model").toString()).isEqualTo("[700]");
    assertThat(Files.readString(output.resolve("report.html")))
        .contains("700* tokens", "500 tokens", "lengths with a * are beyond the 512 tokens")
        .doesNotContain("500*");
  }

  @Test
  void otherSettingsThanTheStoredAreRefused() throws Exception {
    Path output = folder.resolve("out");
    Object[] command = {"--tasks", "passkey", "--lengths", "300", "--samples", "1"};
    eval(output, command).expect(ExitCode.DONE);
    assertThat(eval(output, with(command, "--seed", "7")).expect(ExitCode.USAGE).err())
        .contains("its rows are of other settings (seed is 0, now 7)");
    Path patterns =
        Path.of(System.getProperty("sparsefill.root"), "conf", "patterns", "needle-2m.json");
    assertThat(eval(output, with(command, "--patterns", patterns)).expect(ExitCode.USAGE).err())
        .contains("its rows of minference are of another pattern file");
    Path other = Files.createDirectory(folder.resolve("other"));
    Files.writeString(other.resolve("thesis.doc"), "words");
    assertThat(eval(other, command).expect(ExitCode.USAGE).err())
        .contains("it holds thesis.doc and no settings.json");
  }

  @Test
  void whileAnotherEvaluationWritesToAFolderItIsRefused() throws Exception {
    Path output = Files.createDirectory(folder.resolve("out"));
    Object[] command = {"--tasks", "passkey", "--lengths", "300", "--samples", "1"};
    try (FolderLock other = FolderLock.take(new Configuration(), output.toString(), "other")) {
      other.ensureHeld();
      assertThat(eval(output, command).expect(ExitCode.USAGE).err())
          .contains("Cannot write to ", "run other ");
    }
    eval(output, command).expect(ExitCode.DONE);
    assertThat(output.resolve("_lock")).doesNotExist();
  }

  /** The bundled model has 4 layers of 4 heads. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "[{}, {}] | it must be a list of 4 layers, as the model has, but is a list of 2",
        "[{}, {}, {}, {^4^: [^stream_llm^, 64, 64, 1]}] | but the model has heads 0 to 3",
        "{} | must be a list of 4 layers, as the model has, but is no list",
        "[{}, {}, {^1^: [^spiral^, 1, 2, 1]}, {}] | layer 2 head 1",
        "[{, | it is not JSON"
      })
  void patternsForAnotherShapeOfModelAreOneMessage(String json, String message) throws Exception {
    Path patterns = Files.writeString(folder.resolve("other.json"), json.replace('^', '"'));
    Cli cli =
        eval(folder.resolve("out"), "--tasks", "kv", "--lengths", "600", "--patterns", patterns);
    assertThat(cli.expect(ExitCode.USAGE).err()).contains("the pattern file", message);
    assertThat(cli.err().strip().lines()).hasSize(1);
    assertThat(folder.resolve("out")).doesNotExist();
  }

  /** Dense attention is the oracle. */
  @Test
  void sizesLargerThanADocumentMeanAllOfIt() throws Exception {
    Path output = folder.resolve("out");
    Path patterns =
        Files.writeString(
            folder.resolve("large.json"),
            "[{\"0\": [\"vertical_and_slash\", 1000, 6096, 1], \"1\": [\"stream_llm\", 1024, 4096, 1],"
                + " \"2\": [\"block_sparse\", 100, 100, 1]}, {}, {}, {}]");
    String modes = "dense,minference,a-shape:1000:9000,vertical-slash:9000:9000,block-sparse:900";
    eval(
            output,
            "--tasks",
            "passkey,ppl",
            "--lengths",
            "500",
            "--samples",
            "1",
            "--attention",
            modes,
            "--patterns",
            patterns,
            "--texts",
            texts(900))
        .expect(ExitCode.DONE);
    assertThat(Cli.rows(output, "samples", "density", "true"))
        .hasSize(10)
        .allSatisfy(row -> assertThat(row.getDouble(0)).isEqualTo(1));
    double dense =
        Cli.rows(output, "perplexity", "sum(nll_sum)", "mode = 'dense'").get(0).getDouble(0);
    for (String mode : modes.split(",")) {
      double nll =
          Cli.rows(output, "perplexity", "sum(nll_sum)", "mode = '" + mode + "'")
              .get(0)
              .getDouble(0);
      assertThat(nll).as(mode).isCloseTo(dense, within(1e-4 * dense));
    }
  }

  static Stream<Arguments> badInput() {
    return Stream.of(
        Arguments.of("--samples 3", "nothing is asked for; give --tasks"),
        Arguments.of("--fidelity --input x", "--tasks is missing"),
        Arguments.of("--fidelity --tasks kv", "--input is missing"),
        Arguments.of("--fidelity --input x --tasks kv --positions 0", "at least 1 is needed"),
        Arguments.of(
            "--fidelity --input x --tasks kv --attention static:5:5", "Cannot compare static:5:5"),
        Arguments.of("--tasks kv,niddle", "Unknown task 'niddle': accepted are ruler"),
        Arguments.of("--tasks kv --attention dense,fast", "Unknown attention 'fast': "),
        Arguments.of("--tasks kv --attention dense,,fast", "an entry is empty"),
        Arguments.of("--tasks kv --lengths 1k", "Cannot use --lengths 1k: '1k' is no number"),
        Arguments.of("--tasks kv --lengths 0", "0 is not from 1 to"),
        Arguments.of("--tasks kv --lengths 40", "the smallest, of"),
        Arguments.of("--tasks kv --samples 0", "at least 1 is needed"),
        Arguments.of("--tasks kv --questions 99", "1 to 40 are possible"),
        Arguments.of("--tasks needle --depths 101", "101 is not from 0 to 100"),
        Arguments.of("--tasks needle", "give text files by --texts"),
        Arguments.of("--tasks ppl", "give text files by --texts"),
        Arguments.of("--tasks ppl --texts nowhere.txt", "nowhere.txt: no such file or folder"),
        Arguments.of("--tasks kv --wording rular", "Unknown wording 'rular'"),
        Arguments.of("--tasks kv --attention dense --patterns p.json", "none of the modes dense"),
        Arguments.of("--tasks kv --patterns p.json", "Cannot read pattern file p.json"));
  }

  @ParameterizedTest
  @MethodSource("badInput")
  void badInputIsOneMessage(String arguments, String message) {
    List<Object> all = new ArrayList<>(List.of((Object[]) arguments.split(" ")));
    if (!arguments.contains("--lengths")) {
      all.addAll(List.of("--lengths", "600"));
    }
    Cli cli = eval(folder.resolve("out"), all.toArray()).expect(ExitCode.USAGE);
    assertThat(cli.err()).contains(message);
    assertThat(cli.err().strip().lines()).hasSize(1);
    assertThat(folder.resolve("out").resolve("settings.json")).doesNotExist();
  }

  private static Object[] with(Object[] arguments, Object... more) {
    return Stream.of(arguments, more).flatMap(Arrays::stream).toArray();
  }
}
