package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparsefill.job.output.FolderLock;
import io.sparsefill.kernels.attention.PatternTable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The search as a command, on the bundled model and short samples. */
class SearchPatternsTest {
  private static final int LAYERS = 4;
  private static final int HEADS = 4;
  private static final String CANDIDATES =
      "vertical-slash:100:1800,vertical-slash:3000:200,a-shape:1024:4096,block-sparse";
  private static final double DENSITY = 0.5;

  @TempDir Path folder;
  private Path calibration;
  private Path output;

  @BeforeEach
  void samples() throws IOException {
    calibration = folder.resolve("calibration.jsonl");
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      lines.add(Cli.line("s" + i, new Random(i).ints(i == 2 ? 250 : 1000, 20, 2000).toArray()));
    }
    Files.write(calibration, lines);
    output = folder.resolve("found").resolve("patterns.json");
  }

  private Cli search(Object... more) {
    List<Object> arguments =
        new ArrayList<>(
            List.of("search-patterns", "--model", Cli.MODEL, "--calibration", calibration));
    arguments.addAll(List.of("--output", output, "--candidates", CANDIDATES));
    arguments.addAll(Arrays.asList(more));
    return Cli.run(arguments.toArray());
  }

  private Path beside(String ending) {
    return output.resolveSibling("patterns.json" + ending);
  }

  @Test
  void findsATableThatRunsAndKeepsEveryScore() throws IOException {
    Cli cli = search("--density", DENSITY, "--lengths", "1000,250").expect(0);
    JsonNode json = cli.json();
    assertThat(json.get("samples").asInt()).isEqualTo(3);
    assertThat(json.get("lengths").toString()).isEqualTo("[1000,250]");
    assertThat(json.get("density").asDouble()).isBetween(0.8 * DENSITY, 1.03 * DENSITY);
    assertThat(cli.out()).contains("candidate", "recall", "Patterns in " + output);
    assertThat(beside(".report").resolve("index.html"))
        .content()
        .contains("Patterns of needle-2m", "layer 3, head 3: ", "Error by recall");
    assertThat(beside(".work")).doesNotExist();

    String text = Files.readString(output);
    PatternTable table = PatternTable.parse(text, LAYERS, HEADS);
    assertThat(table.toJson()).isEqualTo(text);

    List<Row> rows =
        Cli.spark()
            .read()
            .parquet(beside(".report").resolve("scores.parquet").toString())
            .collectAsList();
    assertThat(rows).hasSize(3 * LAYERS * HEADS * 4);
    checkScores(rows, table, json.get("error").asDouble());

    Cli.run(
            "plan",
            "--model",
            Cli.MODEL,
            "--input",
            calibration,
            "--attention",
            "minference",
            "--patterns",
            output)
        .expect(0);
  }

  /** Oracle: the file is a pattern file, and the command says with which attention it runs. */
  @Test
  void linesThatAreChosenInAnotherWayAreSearchedThatWay() throws IOException {
    String bands = "vertical-slash:30:600+bands+probes:16,vertical-slash:300:300+bands+probes:16";
    Cli cli =
        Cli.run(
            "search-patterns",
            "--model",
            Cli.MODEL,
            "--calibration",
            calibration,
            "--output",
            output,
            "--candidates",
            bands,
            "--density",
            DENSITY,
            "--lengths",
            1000);
    assertThat(cli.expect(0).json().get("density").asDouble())
        .isBetween(0.8 * DENSITY, 1.03 * DENSITY);
    String attention = "--attention minference+bands+probes:16";
    assertThat(cli.out()).contains("run it with " + attention);
    PatternTable table = PatternTable.parse(Files.readString(output), LAYERS, HEADS);
    assertThat(table.layer(0)).allSatisfy(e -> assertThat(e.pattern()).startsWith("vertical"));
    Cli.run(
            "plan",
            "--model",
            Cli.MODEL,
            "--input",
            calibration,
            "--attention",
            "minference+bands+probes:16",
            "--patterns",
            output)
        .expect(0);
  }

  /** The oracle: a choice made again from the rows of the scores, without ties. */
  private static void checkScores(List<Row> rows, PatternTable table, double meanError) {
    double sum = 0;
    for (int l = 0; l < LAYERS; l++) {
      for (int h = 0; h < HEADS; h++) {
        int layer = l;
        int head = h;
        List<Row> mine =
            rows.stream()
                .filter(row -> row.<Integer>getAs("layer") == layer)
                .filter(row -> row.<Integer>getAs("head") == head)
                .toList();
        double least = Double.POSITIVE_INFINITY;
        double chosen = Double.NaN;
        for (String candidate : CANDIDATES.split(",")) {
          List<Row> one =
              mine.stream().filter(row -> row.getAs("candidate").equals(candidate)).toList();
          assertThat(one).hasSize(3);
          double error = Math.max(error(one, 1000), error(one, 250));
          least = Math.min(least, error);
          if (one.get(0).<Boolean>getAs("chosen")) {
            chosen = error;
            assertThat(table.layer(l).get(h).pattern())
                .isEqualTo(one.get(0).<String>getAs("pattern"));
          }
        }
        assertThat(chosen).isLessThanOrEqualTo(1.02 * least);
        assertThat(table.layer(l).get(h).score()).isCloseTo(chosen, near(chosen));
        sum += chosen;
      }
    }
    assertThat(meanError).isCloseTo(sum / (LAYERS * HEADS), near(meanError));
    assertThat(rows)
        .filteredOn(row -> row.<Integer>getAs("length") == 1000)
        .allSatisfy(row -> assertThat(row.<Double>getAs("density")).isLessThan(1.03 * DENSITY));
  }

  private static org.assertj.core.data.Offset<Double> near(double value) {
    return org.assertj.core.api.Assertions.within(1e-9 * Math.abs(value));
  }

  private static double error(List<Row> rows, int length) {
    double all = mean(rows, length, "output_error");
    return Math.max(all, mean(rows, length, "last_output_error"));
  }

  private static double mean(List<Row> rows, int length, String column) {
    return rows.stream()
        .filter(row -> row.<Integer>getAs("length") == length)
        .mapToDouble(row -> row.getAs(column))
        .average()
        .orElseThrow();
  }

  @Test
  void headsThatShareABudgetComeNearerToDenseWithAsManyTiles() throws IOException {
    double same = search("--density", DENSITY).expect(0).json().get("layer_error").asDouble();
    Files.delete(output);
    Cli cli = search("--density", DENSITY, "--budget", "0.6,1,1.6").expect(0);
    assertThat(cli.out()).contains("level", "was the target for the mean of all heads");
    JsonNode json = cli.json();
    assertThat(json.get("levels").toString()).isEqualTo("[0.3,0.5,0.8]");
    assertThat(json.get("density").asDouble()).isBetween(0.95 * DENSITY, DENSITY);
    assertThat(json.get("layer_error").asDouble()).isLessThan(same);
    assertThat(beside(".report").resolve("index.html"))
        .content()
        .contains("in the mean of all heads", "Shared tiles");

    List<Row> rows =
        Cli.spark()
            .read()
            .parquet(beside(".report").resolve("scores.parquet").toString())
            .where("chosen and length = 1000")
            .collectAsList();
    assertThat(rows).as("of the two longest samples").hasSize(2 * LAYERS * HEADS);
    double mean = rows.stream().mapToDouble(row -> row.getAs("density")).average().orElseThrow();
    assertThat(mean).isCloseTo(json.get("density").asDouble(), near(mean));
    assertThat(rows.stream().map(row -> row.<Double>getAs("level")).distinct())
        .as("heads differ")
        .hasSizeGreaterThan(1);
  }

  /** The report's folder cannot be made, so the search ends when all is scored. */
  @Test
  void aSearchThatWasEndedGoesOnAndFindsTheSame() throws IOException {
    search("--density", DENSITY, "--lengths", "1000,250").expect(0);
    String uninterrupted = Files.readString(output);
    Files.delete(output);
    Files.delete(beside(".report").resolve("scores.parquet"));
    Files.delete(beside(".report").resolve("index.html"));
    Files.delete(beside(".report"));

    Files.createFile(beside(".report"));
    search("--density", DENSITY, "--lengths", "1000,250").expect(ExitCode.CRASH);
    assertThat(output).doesNotExist();
    try (Stream<Path> files = Files.list(beside(".work"))) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder(
              "search.json", "sample-00000.jsonl", "sample-00001.jsonl", "sample-00002.jsonl");
    }

    Cli other = search("--density", 0.4, "--lengths", "1000,250").expect(ExitCode.USAGE);
    assertThat(other.err())
        .contains("Cannot go on with the search in", "begun with density 0.5, now 0.4", "delete");

    Cli shared =
        search("--density", DENSITY, "--lengths", "1000,250", "--budget", "adaptive")
            .expect(ExitCode.USAGE);
    assertThat(shared.err()).contains("begun with levels 0.5, now 0.125,0.25");

    Path damaged = beside(".work").resolve("sample-00001.jsonl");
    String scores = Files.readString(damaged);
    Files.writeString(damaged, scores.substring(0, scores.length() - 20));
    assertThat(search("--density", DENSITY, "--lengths", "1000,250").expect(ExitCode.USAGE).err())
        .contains("line 64 of", "sample-00001.jsonl cannot be read; delete that file");
    Files.delete(damaged);

    Files.delete(beside(".report"));
    Cli again = search("--density", DENSITY, "--lengths", "1000,250").expect(0);
    assertThat(again.json().get("scored_before").asInt()).isEqualTo(2);
    assertThat(Files.readString(output)).isEqualTo(uninterrupted);
    assertThat(beside(".work")).doesNotExist();
  }

  @Test
  void lengthsBeyondTheModelAreMarked() throws IOException {
    Path model = Cli.modelOf(500, folder.resolve("short"));
    Cli cli =
        Cli.run(
                "search-patterns",
                "--model",
                model,
                "--calibration",
                calibration,
                "--output",
                output,
                "--candidates",
                "a-shape:1024:4096",
                "--density",
                DENSITY,
                "--lengths",
                "1000,250")
            .expect(0);
    assertThat(cli.json().get("lengths_beyond_model").toString()).isEqualTo("[1000]");
    assertThat(cli.out()).contains("The model is made for 500 tokens: what was found at [1000]");
    assertThat(beside(".report").resolve("index.html"))
        .content()
        .contains("1,000* and 250 tokens", "beyond the 500 tokens");
  }

  @Test
  void whileASearchGoesOnAnotherIsRefused() throws IOException {
    Path work = Files.createDirectories(beside(".work"));
    try (FolderLock other = FolderLock.take(new Configuration(), work.toString(), "other")) {
      other.ensureHeld();
      assertThat(search("--density", DENSITY).expect(ExitCode.USAGE).err())
          .contains("Cannot write to", "patterns.json.work", "run other ");
    }
    search("--density", DENSITY, "--lengths", "250").expect(0);
    assertThat(work).doesNotExist();
  }

  @Test
  void samplesThatAreMadeCanBeSearchedOn() throws IOException {
    Files.delete(calibration);
    Cli made =
        Cli.run(
            "make-calibration",
            "--model",
            Cli.MODEL,
            "--output",
            calibration,
            "--lengths",
            "400,1200",
            "--samples",
            2,
            "--tasks",
            "kv,passkey",
            "--wording",
            "plain");
    assertThat(made.expect(0).json().get("samples").asInt()).isEqualTo(8);
    String samples = Files.readString(calibration);
    assertThat(samples.lines()).hasSize(8);
    assertThat(samples)
        .contains("kv-1200-", "passkey-400-", "The value associated with the specified key is");
    JsonNode found =
        search("--density", DENSITY, "--lengths", "1200,400", "--samples", 1).expect(0).json();
    assertThat(found.get("samples").asInt()).isEqualTo(2);

    Cli again =
        Cli.run(
            "make-calibration", "--model", Cli.MODEL, "--output", calibration, "--lengths", "400");
    assertThat(again.expect(ExitCode.USAGE).err()).contains("Cannot write", "it exists");
    assertThat(calibration).content().isEqualTo(samples);
  }

  @Test
  void samplesThatCannotBeMadeSayWhy() {
    Path file = folder.resolve("new.jsonl");
    Object[] needed = {"make-calibration", "--model", Cli.MODEL, "--output", file};
    String[][] wrong = {
      {"--lengths", "100", "ask for a longer one"},
      {"--lengths", "12", "at least 64"},
      {"--lengths", "500", "--tasks", "riddle", "Cannot use --tasks riddle: Unknown task"},
      {"--lengths", "500", "--tasks", "ppl", "it asks nothing"},
      {"--lengths", "500", "--tasks", "needle", "without a text: give text files"},
      {"--lengths", "500", "--texts", "none.txt", "Cannot read text none.txt"},
      {"--lengths", "500", "--wording", "long", "Cannot use --wording long"},
      {"--lengths", "500", "--samples", "0", "--samples 0"},
    };
    for (String[] one : wrong) {
      List<Object> arguments = new ArrayList<>(Arrays.asList(needed));
      arguments.addAll(Arrays.asList(one).subList(0, one.length - 1));
      assertThat(Cli.run(arguments.toArray()).expect(ExitCode.USAGE).err())
          .contains(one[one.length - 1]);
      assertThat(folder.toFile().list()).as("no half file").containsExactly("calibration.jsonl");
    }
  }

  private void refused(Cli cli, String... parts) {
    assertThat(cli.expect(ExitCode.USAGE).err().strip().lines()).as(cli.err()).hasSize(1);
    assertThat(cli.err()).startsWith("sparsefill: ").contains(parts);
    assertThat(cli.out()).isEmpty();
    assertThat(output).doesNotExist();
    assertThat(beside(".work")).doesNotExist();
  }

  @Test
  void whatCannotBeSearchedIsRefusedBeforeAnythingIsComputed() throws IOException {
    refused(search(), "the default target", "at 1,000 tokens", "--density");
    refused(search("--density", 0.5, "--target-flops", 1e9), "both --density and --target-flops");
    refused(search("--density", 0.01), "density of 0.0100", "at 1,000 tokens", "smallest patterns");
    refused(search("--density", 0.5, "--lengths", "4096"), "at 4,096 tokens", "has 1,000");
    refused(search("--density", 0.5, "--lengths", "40"), "--lengths 40", "at least 64");
    refused(search("--density", 0.5, "--samples", 0), "--samples 0");
    refused(search("--density", 0.5, "--tolerance", 0), "--tolerance 0.0");
    refused(search("--density", 0.5, "--budget", "much"), "--budget much", "uniform, adaptive");
    refused(search("--density", 0.5, "--budget", "1,0"), "'0' is no number above 0");
    refused(search("--density", 0.5, "--budget", "0.5"), "--budget 0.5", "two levels");
    refused(search("--density", 0.5, "--budget", "2,3"), "--budget 2,3", "at most 1");
    refused(Cli.run("search-patterns", "--model", Cli.MODEL, "--output", output), "--calibration");
    Files.write(calibration, List.of(Cli.line("short", 1, 2, 3)));
    refused(search("--density", 0.5), "longest document has 3 tokens", "a tile of 64");
    Files.write(calibration, List.of(Cli.line("other", 1, 2, 5000)));
    refused(search("--density", 0.5), "document 'other'", "5000", "vocabulary of 2048");
    Files.write(calibration, List.of("no json"));
    refused(search("--density", 0.5), "Cannot calibrate with document", "calibration.jsonl");
    calibration = folder.resolve("nowhere.jsonl");
    refused(search("--density", 0.5), "nowhere.jsonl");
  }

  @Test
  void candidatesThatAreNoneAreRefused() {
    refused(
        Cli.run(
            "search-patterns",
            "--model",
            Cli.MODEL,
            "--calibration",
            calibration,
            "--output",
            output,
            "--candidates",
            "dense"),
        "Cannot use --candidates",
        "'dense'");
  }

  @Test
  void anOutputThatExistsIsLeftAlone() throws IOException {
    Files.createDirectories(output.getParent());
    Files.writeString(output, "mine");
    assertThat(search("--density", 0.5).expect(ExitCode.USAGE).err())
        .contains("Cannot write patterns to", "it exists");
    assertThat(output).hasContent("mine");
  }
}
