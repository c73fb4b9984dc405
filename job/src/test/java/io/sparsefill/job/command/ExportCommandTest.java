package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.job.read.CacheShape;
import io.sparsefill.job.read.SyntheticRun;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvBlock;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.spark.TaskContext;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The command over synthetic runs; the oracle is what was handed to the job's writers. */
class ExportCommandTest {
  @TempDir Path temp;

  private Path out;
  private Path dest;

  @BeforeEach
  void nameFolders() {
    out = temp.resolve("out");
    dest = temp.resolve("dest");
  }

  private Cli export(Object... more) {
    Object[] arguments = {"export", "--output", out, "--dest", dest};
    Object[] all = Arrays.copyOf(arguments, arguments.length + more.length);
    System.arraycopy(more, 0, all, arguments.length, more.length);
    return Cli.run(all);
  }

  private void write(Map<String, Integer> documents) throws Exception {
    try (SyntheticRun run = SyntheticRun.open(out, "r1")) {
      run.commit(2, documents);
    }
  }

  private void refused(String message, Object... more) {
    Cli cli = export(more).expect(ExitCode.USAGE);
    assertThat(cli.err()).contains(message);
    assertThat(cli.out()).isEmpty();
    assertThat(dest).doesNotExist();
  }

  @Test
  void everyFinishedDocumentBecomesOneFile() throws Exception {
    write(Map.of("a", 37, "books/b.txt", 16, "c", 1));
    Cli cli = export("--to", "hf").expect(ExitCode.DONE);
    JsonNode json = cli.json();
    assertThat(json.get("to").asText()).isEqualTo("hf");
    assertThat(json.get("documents").asInt()).isEqualTo(3);
    assertThat(json.get("tokens").asInt()).isEqualTo(37 + 16 + 1);
    assertThat(json.get("files").asInt()).isEqualTo(3);
    assertThat(dest.toFile().list())
        .containsExactlyInAnyOrder(
            "a.safetensors", "books%2Fb.txt.safetensors", "c.safetensors", "export.json");
    byte[] file = Files.readAllBytes(dest.resolve("a.safetensors"));
    byte[] data = data("a", 37);
    assertThat(Arrays.copyOfRange(file, file.length - data.length, file.length)).isEqualTo(data);

    JsonNode told = new ObjectMapper().readTree(dest.resolve("export.json").toFile());
    assertThat(told.get("format").asText()).isEqualTo("hf");
    assertThat(told.get("model_name").asText()).isEqualTo("tiny");
    assertThat(told.get("identity").get("rope_theta").asText()).isEqualTo("10000.0");
    assertThat(told.get("documents").get(1).toString())
        .isEqualTo(
            "{\"doc_id\":\"books/b.txt\",\"run_id\":\"r1\",\"tokens\":16,"
                + "\"files\":[\"books%2Fb.txt.safetensors\"]}");
  }

  /** Keys and values of all layers, one after the other. */
  private static byte[] data(String docId, int tokens) {
    CacheShape small = SyntheticRun.small();
    CacheShape shape =
        new CacheShape(
            tokens,
            small.layers(),
            small.kvHeads(),
            small.headDim(),
            small.blockTokens(),
            small.dtype());
    ByteArrayOutputStream data = new ByteArrayOutputStream();
    for (int layer = 0; layer < shape.layers(); layer++) {
      ByteArrayOutputStream values = new ByteArrayOutputStream();
      for (int block = 0; block < shape.blocks(); block++) {
        KvBlock written = SyntheticRun.block(docId, shape, layer, block);
        data.writeBytes(written.key());
        values.writeBytes(written.value());
      }
      data.writeBytes(values.toByteArray());
    }
    return data.toByteArray();
  }

  @Test
  void namedDocumentsOfARunThatIsWritingCanBeExported() throws Exception {
    try (SyntheticRun run = SyntheticRun.open(out, "r1")) {
      run.commit(1, Map.of("a", 20, "b", 20));
      refused("the run is not finished, run r1 (process", "--to", "hf");
      Cli cli = export("--to", "hf", "--doc", "b", "--doc", "b").expect(ExitCode.DONE);
      assertThat(cli.json().get("documents").asInt()).isEqualTo(1);
      assertThat(dest.toFile().list()).containsExactlyInAnyOrder("b.safetensors", "export.json");
    }
  }

  @Test
  void whatCannotBeExportedIsRefusedBeforeAFileIsMade() throws Exception {
    refused("there is no output in it", "--to", "hf");
    write(Map.of("a", 37));
    refused(
        "Cannot export to 'tgi': accepted are hf, vllm, lmcache, sglang, llamacpp", "--to", "tgi");
    refused("Cannot find document 'b' in", "--to", "hf", "--doc", "a", "--doc", "b");
    refused("hf has no settings", "--to", "hf", "--set", "block-size=16");
    refused(
        "Cannot use --set block-size=x: it must be a whole number",
        "--to",
        "vllm",
        "--set",
        "block-size=x");
    Files.createDirectories(dest);
    Files.writeString(dest.resolve("mine.txt"), "x");
    assertThat(export("--to", "hf").expect(ExitCode.USAGE).err())
        .contains("it is not empty ('mine.txt' is there)");
    assertThat(dest.toFile().list()).containsExactly("mine.txt");
  }

  @Test
  void aRunThatIsNotWhatTheEngineExpectsIsRefusedNamingTheFields() throws Exception {
    write(Map.of("a", 37));
    Path expect = temp.resolve("expect.json");
    Files.writeString(
        expect, "{\"rope_theta\": \"500000.0\", \"layers\": 5, \"attention\": \"dense\"}");
    Cli cli = export("--to", "hf", "--expect", expect).expect(ExitCode.USAGE);
    assertThat(cli.err())
        .contains(
            "expects: layers is '4', expected '5'; rope_theta is '10000.0', expected '500000.0'")
        .doesNotContain("attention");
    Files.writeString(expect, "{\"rope_teta\": 1}");
    refused("its identity has no field rope_teta", "--to", "hf", "--expect", expect);
    Files.writeString(expect, "[1]");
    refused("it names no field", "--to", "hf", "--expect", expect);
    Files.writeString(expect, "{");
    refused("it is not JSON", "--to", "hf", "--expect", expect);
    refused("Cannot read --expect", "--to", "hf", "--expect", temp.resolve("none"));
    export("--to", "hf", "--expect", out.resolve("manifest.json")).expect(ExitCode.DONE);
  }

  @Test
  void damageEndsTheExportAndLeavesNothing() throws Exception {
    try (SyntheticRun run = SyntheticRun.open(out, "r1")) {
      run.commit(1, Map.of("good", 20))
          .damaging(block -> block.layer() == 1 ? null : block)
          .commit(1, Map.of("bad", 20));
    }
    Cli cli = export("--to", "hf").expect(ExitCode.CRASH);
    assertThat(cli.err()).contains("'bad' (run r1)").contains("layer 1, block 0 of 2 is missing");
    assertThat(dest).doesNotExist();
  }

  /**
   * Spark reports a task that ends by an error, and not by an exception, by a checked exception.
   */
  @Test
  void aJobThatSparkGivesUpLeavesNothing() throws Exception {
    write(Map.of("a", 37));
    Cli.spark()
        .sparkContext()
        .hadoopConfiguration()
        .setClass("fs.dying.impl", DyingFileSystem.class, FileSystem.class);
    Object[] dying = {"export", "--output", "dying://" + out, "--dest", dest, "--to", "hf"};
    Cli cli = Cli.run(dying).expect(ExitCode.CRASH);
    assertThat(cli.err()).contains("no file is opened in a task");
    assertThat(dest).doesNotExist();
  }

  /** Local files under {@code dying:}, which tasks cannot open. */
  public static final class DyingFileSystem extends RawLocalFileSystem {
    @Override
    public URI getUri() {
      return URI.create("dying:///");
    }

    @Override
    public FSDataInputStream open(org.apache.hadoop.fs.Path path, int bufferSize)
        throws IOException {
      if (TaskContext.get() != null) {
        throw new AssertionError("no file is opened in a task");
      }
      return super.open(path, bufferSize);
    }
  }

  @Test
  void aRunWithoutTokensIsRefused() throws Exception {
    try (SyntheticRun run = SyntheticRun.open(out, "r1")) {
      run.forgetting(tokens -> null).commit(1, Map.of("a", 20));
    }
    refused("its tokens table has no file", "--to", "hf");
  }

  @Test
  void fp8IsRefusedByEnginesWithoutIt() throws Exception {
    CacheShape sizes = new CacheShape(1, 2, 2, 8, 16, KvDtype.FP8);
    try (SyntheticRun run = SyntheticRun.open(out, "r1", sizes, SyntheticRun.identity(sizes))) {
      run.commit(1, Map.of("a", 20));
    }
    for (String engine : new String[] {"hf", "vllm", "lmcache", "sglang", "llamacpp"}) {
      refused(
          "Cannot export keys and values of type fp8 to " + engine + ": it takes bf16, fp16, fp32",
          "--to",
          engine);
    }
  }

  @Test
  void everyEngineHasFiles() throws Exception {
    write(Map.of("a", 300));
    for (String engine : new String[] {"vllm", "lmcache", "sglang", "llamacpp"}) {
      dest = temp.resolve(engine);
      Cli cli = export("--to", engine, "--model-name", "org/tiny").expect(ExitCode.DONE);
      assertThat(cli.json().get("files").asInt()).as(engine).isPositive();
    }
  }
}
