package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.job.Main;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * One command, executed in this JVM with the tests' Spark session, and what it left.
 *
 * @param code exit code
 * @param out standard output
 * @param err standard error, without the log
 */
record Cli(int code, String out, String err) {
  /** The bundled model, which every checkout has. */
  static final Path MODEL =
      Path.of(System.getProperty("sparsefill.root"), "conf", "models", "needle-2m");

  /** Runs a command. */
  static Cli run(Object... arguments) {
    SparkSession spark = spark();
    assertThat(spark.sparkContext().isStopped()).isFalse();
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code =
        Main.execute(
            new PrintWriter(out),
            new PrintWriter(err),
            Arrays.stream(arguments).map(Object::toString).toArray(String[]::new));
    return new Cli(code, out.toString(), err.toString());
  }

  /** {@code sparsefill run} with the bundled model over JSONL. */
  static Cli runOver(Path input, Path output, Object... more) {
    List<Object> arguments =
        new ArrayList<>(List.of("run", "--model", MODEL, "--input", input, "--output", output));
    arguments.addAll(Arrays.asList(more));
    return run(arguments.toArray());
  }

  /** The last line of standard output. */
  JsonNode json() throws JsonProcessingException {
    String[] lines = out.strip().split("\n");
    return new ObjectMapper().readTree(lines[lines.length - 1]);
  }

  /** Fails the test, with all that was printed, unless the command ended with this code. */
  Cli expect(int expected) {
    assertThat(code).as("%s%n%s", out, err).isEqualTo(expected);
    return this;
  }

  /** Two slots; Kryo, which cannot handle records, as many clusters have it. */
  static SparkSession spark() {
    return SparkSession.builder()
        .master("local[2]")
        .appName("sparsefill-tests")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
        .getOrCreate();
  }

  /** Rows of a table of an output folder, by a condition. */
  static List<Row> rows(Path output, String table, String columns, String where) {
    return spark()
        .read()
        .parquet(output.resolve(table).toString())
        .where(where)
        .selectExpr(columns.split(", "))
        .collectAsList();
  }

  /** A JSONL file of documents {@code d0}, {@code d1}, … of about 3 tokens per word. */
  static Path documents(Path file, int count, int words) throws IOException {
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      lines.add(line("d" + i, ("Here we go " + i + " and back again. ").repeat(words / 7 + 1)));
    }
    return Files.write(file, lines);
  }

  static String line(String id, String text) {
    ObjectNode line = new ObjectMapper().createObjectNode();
    return line.put("doc_id", id).put("text", text).toString();
  }

  static String line(String id, int... tokens) {
    ObjectNode line = new ObjectMapper().createObjectNode().put("doc_id", id);
    ArrayNode ids = line.putArray("token_ids");
    Arrays.stream(tokens).forEach(ids::add);
    return line.toString();
  }

  /** The bundled model in another folder, made for fewer tokens by its configuration. */
  static Path modelOf(int mostTokens, Path folder) throws IOException {
    Files.createDirectory(folder);
    try (Stream<Path> files = Files.list(MODEL)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
    Path config = folder.resolve("config.json");
    ObjectNode json = (ObjectNode) new ObjectMapper().readTree(config.toFile());
    Files.writeString(config, json.put("max_position_embeddings", mostTokens).toString());
    return folder;
  }
}
