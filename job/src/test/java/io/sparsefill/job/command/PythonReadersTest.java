package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sparsefill.job.read.CacheShape;
import io.sparsefill.job.read.KvReader;
import io.sparsefill.job.read.SyntheticRun;
import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvNumbers;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What Python programs do with stored caches, wherever {@code python3} (or {@code
 * -Dsparsefill.python}) can import what they need: exported ones continued by Hugging Face
 * transformers, whose own dense pre-fill is the oracle ({@code continue_cache.py}), and README's
 * snippets, whose oracle is {@link KvReader}.
 */
class PythonReadersTest {
  private static final Path ROOT = Path.of(System.getProperty("sparsefill.root"));
  private static final String PYTHON = System.getProperty("sparsefill.python", "python3");

  @TempDir Path temp;

  /** Skips the test, with the reason, where a module is missing. */
  private void needs(String... modules) throws Exception {
    String imports = "import " + String.join(", ", modules);
    String missing;
    try {
      missing = python("-c", imports).lastLine();
    } catch (IOException e) { // no such program
      missing = e.getMessage();
    }
    assumeTrue(
        missing.isEmpty(), "Skipped: " + PYTHON + " cannot " + imports + " (" + missing + ")");
  }

  private record Ended(int code, String output) {
    String lastLine() {
      return output.strip().lines().reduce("", (before, line) -> line);
    }
  }

  private Ended python(String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of(PYTHON));
    command.addAll(Arrays.asList(arguments));
    Process process =
        new ProcessBuilder(command).directory(temp.toFile()).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Ended(process.waitFor(), output);
  }

  @ParameterizedTest
  @ValueSource(strings = {"fp32", "bf16"})
  void transformersContinuesAnExportedCacheAsItsOwn(String dtype) throws Exception {
    needs("torch", "transformers", "safetensors");
    Path input = Cli.documents(temp.resolve("in.jsonl"), 2, 300);
    Path out = temp.resolve("out");
    Cli.runOver(input, out, "--emit", "kv", "--attention", "dense", "--kv-dtype", dtype)
        .expect(ExitCode.DONE);
    Path dest = temp.resolve("dest");
    Cli.run("export", "--output", out, "--to", "hf", "--dest", dest).expect(ExitCode.DONE);
    Ended ended =
        python(
            ROOT.resolve("job/src/test/python/continue_cache.py").toString(),
            Cli.MODEL.toString(),
            dest.resolve("d0.safetensors").toString(),
            dest.resolve("d1.safetensors").toString());
    assertThat(ended.code()).as(ended.output()).isZero();
    assertThat(ended.output()).contains("PASS d0").contains("PASS d1");
  }

  /** README's snippet reads layer 3 of a.txt, with two heads of 64. */
  private List<String> snippet(String from, String to) throws IOException {
    String readme = Files.readString(ROOT.resolve("README.md"));
    int block = readme.indexOf("```python\nimport numpy as np\n");
    String code = readme.substring(block + 10, readme.indexOf("```\n", block + 10));
    int begin = code.indexOf(from);
    assertThat(begin).as("README's snippet has " + from).isPositive();
    String functions = code.substring(0, code.indexOf("newest ="));
    return List.of(functions, code.substring(begin, to == null ? code.length() : code.indexOf(to)));
  }

  private void compareWithReader(List<String> snippet, String setUp) throws Exception {
    CacheShape sizes = new CacheShape(1, 4, 2, 64, 16, KvDtype.BF16);
    Path out = temp.resolve("out");
    try (SyntheticRun run =
        SyntheticRun.open(out, "2026-01", sizes, SyntheticRun.identity(sizes))) {
      run.commit(2, Map.of("a.txt", 20, "b.txt", 30));
    }
    try (SyntheticRun run =
        SyntheticRun.open(out, "2026-02", sizes, SyntheticRun.identity(sizes))) {
      run.commit(2, Map.of("a.txt", 37));
    }
    Path script = temp.resolve("snippet.py");
    Files.writeString(
        script,
        "out = '%s'\n".formatted(out)
            + setUp
            + String.join("", snippet)
            + "\nassert keys.shape == (37, 2, 64), keys.shape\nkeys.astype('<f4').tofile('keys')\n");
    Ended ended = python(script.toString());
    assertThat(ended.code()).as(ended.output()).isZero();
    byte[] key = KvReader.open(out.toString()).document("a.txt").layer(3).key();
    ByteBuffer stored = ByteBuffer.wrap(key).order(ByteOrder.LITTLE_ENDIAN);
    ByteBuffer read =
        ByteBuffer.wrap(Files.readAllBytes(temp.resolve("keys"))).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(read.remaining()).isEqualTo(2 * key.length);
    while (stored.hasRemaining()) {
      assertThat(read.getFloat()).isEqualTo(HalfFloats.fromBf16(stored.getShort()));
    }
  }

  /** Every code that is a number, with a scale for each of four heads; oracle: KvNumbers. */
  @Test
  void readmesFunctionForFp8ReadsEveryNumber() throws Exception {
    needs("numpy");
    byte[] codes = new byte[256];
    for (int code = 0; code < codes.length; code++) {
      codes[code] = (byte) code;
    }
    ByteBuffer scales = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
    scales.putFloat(1).putFloat(0.0123f).putFloat(Float.MIN_NORMAL).putFloat(3e5f);
    Files.write(temp.resolve("cell"), codes);
    Files.write(temp.resolve("scale"), scales.array());
    Path script = temp.resolve("fp8.py");
    Files.writeString(
        script,
        snippet("newest =", "import pyarrow").get(0)
            + """
            keys = fp8(open('cell', 'rb').read(), open('scale', 'rb').read(), 2, 64)
            assert keys.shape == (2, 2, 64), keys.shape
            keys.astype('<f4').tofile('keys')
            """);
    Ended ended = python(script.toString());
    assertThat(ended.code()).as(ended.output()).isZero();
    ByteBuffer read =
        ByteBuffer.wrap(Files.readAllBytes(temp.resolve("keys"))).order(ByteOrder.LITTLE_ENDIAN);
    KvNumbers numbers = KvNumbers.of(KvDtype.FP8, codes, scales.array());
    for (int code = 0; code < codes.length; code++) {
      float number = read.getFloat();
      if (!Float.isNaN(numbers.at(code))) {
        assertThat(number).as("code %02x", code).isEqualTo(numbers.at(code));
      }
    }
  }

  @Test
  void readmesSnippetForPyArrowReadsTheNewestContent() throws Exception {
    needs("numpy", "pyarrow.parquet");
    compareWithReader(snippet("import pyarrow", null), "");
  }

  @Test
  void readmesSnippetForPySparkReadsTheNewestContent() throws Exception {
    needs("numpy", "pyspark.sql");
    compareWithReader(
        snippet("newest =", "import pyarrow"),
        """
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.master('local[1]').getOrCreate()
        """);
  }
}
