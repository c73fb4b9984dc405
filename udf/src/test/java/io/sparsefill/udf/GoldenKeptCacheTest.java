package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.model.RopeFrequencies;
import io.sparsefill.udf.model.RopeScaling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every family of {@code golden/hf}: a document whose last tokens follow its kept cache, in chunks
 * that begin and end anywhere in a tile, gives what the whole document gives. Oracles: the same
 * engine's pre-fill of the whole document, to 1e-5 relative in the Frobenius norm, and the logits
 * that transformers computed, to 2e-4.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GoldenKeptCacheTest {
  private static final double SAME = 1e-5;
  private static final double GOLDEN = 2e-4;

  /** Sizes of the chunks at a document's end, first of them first. */
  private static final int[][] CHUNKS = {{1}, {1, 1, 1}, {6}, {63}, {64, 1}, {5, 70, 2}, {299}};

  static List<Path> cases() throws IOException {
    return SharedMaterial.goldenModels();
  }

  /** The models with LongRoPE. */
  static List<Path> longRopeCases() throws IOException {
    List<Path> found =
        cases().stream()
            .filter(
                folder -> ModelConfig.read(folder).rope().scaling() instanceof RopeScaling.LongRope)
            .toList();
    SharedMaterial.orSkip(!found.isEmpty(), "skipped: no golden model has LongRoPE");
    return found;
  }

  @ParameterizedTest
  @MethodSource("cases")
  void chunksGiveWhatTheWholeDocumentGives(Path folder) throws Exception {
    compare(folder, "resident", 2);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void chunksThroughStreamedWeightsGiveThatToo(Path folder) throws Exception {
    compare(folder, "stream", 1);
  }

  private static void compare(Path folder, String weights, int threads) throws Exception {
    GoldenModel golden = GoldenModel.open(folder);
    RopeFrequencies frequencies = golden.frequencies(folder, "cpu", GOLDEN);
    EngineOptions options = GoldenModel.options(folder, "cpu", weights, frequencies, 256, threads);
    double worst = 0;
    try (Engine engine = Engine.open(options)) {
      for (int n : golden.lengths()) {
        float[] whole = engine.prefill(golden.ids(n), block -> {}).lastLogits()[0];
        for (int[] sizes : CHUNKS) {
          int begin = n - Arrays.stream(sizes).sum();
          if (begin < 1 || crosses(engine.config(), begin, n)) {
            continue;
          }
          float[] last = lastLogits(engine, golden.ids(n), begin, sizes);
          String what = "%d tokens, chunks %s".formatted(n, Arrays.toString(sizes));
          assertThat(Distance.relative(last, whole)).as(what).isLessThan(SAME);
          worst = Math.max(worst, golden.norm("last_logits." + n, last));
        }
      }
    }
    assertThat(worst).as("worst relative norm of %s", folder.getFileName()).isBetween(1e-9, GOLDEN);
  }

  private static float[] lastLogits(Engine engine, int[] ids, int begin, int... sizes)
      throws Exception {
    float[] last = null;
    try (KeptCache cache =
        engine.prefillKeeping(Arrays.copyOf(ids, begin), block -> {}, ids.length - begin)) {
      for (int size : sizes) {
        int from = cache.length();
        last = cache.extend(Arrays.copyOfRange(ids, from, from + size), 1)[0];
      }
      assertThat(cache.room()).isZero();
    }
    return last;
  }

  /** Whether a chunk would need other rotary factors than the document has. */
  private static boolean crosses(ModelConfig config, int begin, int end) {
    return config.rope().scaling() instanceof RopeScaling.LongRope rope
        && begin <= rope.originalPositions()
        && end > rope.originalPositions();
  }

  /**
   * Across LongRoPE's original length the document's factors hold. Oracle: a pre-fill of the whole
   * by a model whose long factors are the short ones.
   */
  @ParameterizedTest
  @MethodSource("longRopeCases")
  void chunksKeepTheRotaryFactorsOfTheDocument(Path folder, @TempDir Path onlyShort)
      throws Exception {
    ObjectMapper json = new ObjectMapper();
    ObjectNode config = (ObjectNode) json.readTree(folder.resolve("config.json").toFile());
    ObjectNode rope =
        (ObjectNode) config.get(config.has("rope_scaling") ? "rope_scaling" : "rope_parameters");
    rope.set("long_factor", rope.get("short_factor"));
    json.writeValue(onlyShort.resolve("config.json").toFile(), config);
    Files.copy(folder.resolve("model.safetensors"), onlyShort.resolve("model.safetensors"));

    int[] ids = GoldenModel.open(folder).ids(300);
    float[] whole;
    try (Engine engine = Engine.open(TestOptions.of(onlyShort).build())) {
      whole = engine.prefill(ids, block -> {}).lastLogits()[0];
    }
    try (Engine engine = Engine.open(TestOptions.of(folder).build())) {
      assertThat(crosses(engine.config(), 50, 300)).isTrue();
      assertThat(Distance.relative(lastLogits(engine, ids, 50, 250), whole)).isLessThan(SAME);
      float[] other = engine.prefill(ids, block -> {}).lastLogits()[0];
      assertThat(Distance.relative(other, whole)).as("the long factors differ").isGreaterThan(SAME);
    }
  }
}
