package io.sparsefill.job.export;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.job.Main;
import io.sparsefill.job.read.KvReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The bundled model's caches (4 layers, 2 KV heads for 4 query heads) of two documents with an odd
 * number of tokens, exported by the command and read back by the readers that the formats' own
 * tests have. Oracle: {@link KvReader}, whose oracle is what was handed to the job's writers.
 */
class StoredRunTest {
  private static final int TOKENS = 333;

  @TempDir private static Path temp;

  private static CacheInMemory longer;

  @BeforeAll
  static void run() throws IOException {
    // As all tests of this module have it: the first one's session is everyone's.
    SparkSession.builder()
        .master("local[2]")
        .appName("sparsefill-tests")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
        .getOrCreate();
    Path model = Path.of(System.getProperty("sparsefill.root"), "conf", "models", "needle-2m");
    Path input = temp.resolve("in.jsonl");
    int[] ids = new Random(5).ints(TOKENS, 3, 2048).toArray();
    Files.write(input, List.of(line("a/long", ids), line("short", Arrays.copyOf(ids, 9))));
    execute("run", "--model", model, "--input", input, "--output", temp.resolve("run"));
    KvReader reader = KvReader.open(temp.resolve("run").toString());
    longer = CacheInMemory.copyOf(reader.document("a/long"));
    assertThat(longer.shape().tokens()).isEqualTo(TOKENS);
  }

  @Test
  void vllmHasEveryValueOfWholeBlocks() throws IOException {
    VllmFormatTest.checkPacked(longer, export("vllm"), 320);
  }

  @Test
  void lmcacheHasEveryValue() throws IOException {
    Map<String, byte[]> files = export("lmcache", "--set", "save-unfull-chunk=true");
    // The short document is one chunk of its own: it is not the beginning of a chunk of 256.
    assertThat(files).hasSize(3);
    List<byte[]> chunks =
        LmcacheFormatTest.inOrder(files, new Blake3Tokens(), longer, 256, TOKENS, "0x01000100", "");
    LmcacheFormatTest.check(longer, chunks, 256, 0, 2);
  }

  @Test
  void sglangHasEveryValueOfFullPages() throws IOException {
    Map<String, byte[]> files = export("sglang");
    List<String> names = new ArrayList<>();
    PrefixHash hash = new Sha256Tokens();
    byte[] parent = hash.start();
    for (int from = 0; from < 320; from += 64) {
      parent = hash.next(parent, longer.tokenIds(), from, from + 64);
      String name = HexFormat.of().formatHex(parent) + "_org-needle-2m_0_1.bin";
      names.add(name);
      SglangFormatTest.check(longer, files.get(name), false, from, 64, 0, 2);
    }
    assertThat(files).containsOnlyKeys(names);
  }

  @Test
  void llamacppHasEveryValue() throws IOException {
    Map<String, byte[]> files = export("llamacpp", "--set", "type=bf16");
    assertThat(files).containsOnlyKeys("a%2Flong.ggsq", "short.ggsq");
    LlamacppFormatTest.check(longer, files.get("a%2Flong.ggsq"), "bf16");
  }

  /** The files of an export, without export.json. */
  private static Map<String, byte[]> export(String engine, Object... more) throws IOException {
    Path dest = temp.resolve(engine);
    List<Object> arguments = new ArrayList<>();
    arguments.addAll(List.of("export", "--output", temp.resolve("run"), "--dest", dest));
    arguments.addAll(List.of("--to", engine, "--model-name", "org/needle-2m"));
    arguments.addAll(Arrays.asList(more));
    String out = execute(arguments.toArray());
    Map<String, byte[]> files = new TreeMap<>();
    try (Stream<Path> paths = Files.walk(dest)) {
      for (Path path : paths.filter(Files::isRegularFile).toList()) {
        files.put(dest.relativize(path).toString(), Files.readAllBytes(path));
      }
    }
    assertThat(files.remove("export.json")).isNotNull();
    JsonNode summary = new ObjectMapper().readTree(out.strip().lines().reduce("", (a, b) -> b));
    assertThat(summary.get("files").asInt()).isEqualTo(files.size());
    assertThat(summary.get("documents").asInt()).isEqualTo(2);
    boolean takesShort = engine.equals("llamacpp") || engine.equals("lmcache");
    assertThat(summary.get("documents_without_files").asInt()).isEqualTo(takesShort ? 0 : 1);
    return files;
  }

  private static String execute(Object... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    String[] words = Arrays.stream(arguments).map(Object::toString).toArray(String[]::new);
    int code = Main.execute(new PrintWriter(out), new PrintWriter(err), words);
    assertThat(code).as("%s%n%s", out, err).isZero();
    return out.toString();
  }

  private static String line(String id, int[] tokens) {
    return "{\"doc_id\":\"%s\",\"token_ids\":%s}".formatted(id, Arrays.toString(tokens));
  }
}
