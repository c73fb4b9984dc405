package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.cuda.CudaBackend;
import io.sparsefill.udf.model.RopeFrequencies;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every family of {@code golden/hf} on a GPU in bf16: a document whose last tokens follow its kept
 * cache. Oracles: the same engine's pre-fill of the whole, and the logits that transformers
 * computed in fp32, both to 5e-2 relative in the Frobenius norm, as for whole pre-fills.
 */
class CudaKeptCacheTest {
  private static final double NORM = 5e-2;

  /** Sizes of the chunks at the end of 300 tokens, first of them first. */
  private static final int[][] CHUNKS = {{1}, {1, 1, 1}, {44}, {64, 1}, {5, 70, 2}, {130}};

  @BeforeAll
  static void needsDevice() {
    SharedMaterial.orSkip(
        CudaBackend.unavailable().isEmpty(),
        "Skipped, no CUDA device: " + CudaBackend.unavailable().orElse(""));
  }

  static List<Path> cases() throws IOException {
    return SharedMaterial.goldenModels();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void chunksGiveWhatTheWholeDocumentGives(Path folder) throws Exception {
    compare(folder, "resident");
  }

  @ParameterizedTest
  @MethodSource("cases")
  void chunksThroughStreamedWeightsGiveThatToo(Path folder) throws Exception {
    compare(folder, "stream");
  }

  private static void compare(Path folder, String weights) throws Exception {
    GoldenModel golden = GoldenModel.open(folder);
    RopeFrequencies frequencies = golden.frequencies(folder, "cuda", 1e-2);
    int[] ids = golden.ids(300);
    double worst = 0;
    try (Engine engine =
        Engine.open(GoldenModel.options(folder, "cuda", weights, frequencies, 256, 2))) {
      float[] whole = engine.prefill(ids, block -> {}).lastLogits()[0];
      for (int[] sizes : CHUNKS) {
        int begin = ids.length - Arrays.stream(sizes).sum();
        float[] last = null;
        try (KeptCache cache =
            engine.prefillKeeping(Arrays.copyOf(ids, begin), block -> {}, ids.length - begin)) {
          for (int size : sizes) {
            int from = cache.length();
            last = cache.extend(Arrays.copyOfRange(ids, from, from + size), 1)[0];
          }
        }
        assertThat(Distance.relative(last, whole)).as(Arrays.toString(sizes)).isLessThan(NORM);
        worst = Math.max(worst, golden.norm("last_logits.300", last));
      }
    }
    System.out.printf(
        "%s on the GPU, %s weights: worst relative norm behind a kept cache %.1e%n",
        folder.getFileName(), weights, worst);
    assertThat(worst).isLessThan(NORM);
  }

  /** Oracle: a cache that saw nothing else; the same operators on the same numbers. */
  @Test
  void questionsThatWereTakenBackLeaveNoTrace() throws Exception {
    Path model = SharedMaterial.model("needle-2m");
    int[] ids = new TinyModel(1, 2048).tokens(3_000);
    TestOptions options =
        TestOptions.of(model).backend("cuda").attention("a-shape:64:512").emit(Emit.LOGITS);
    int[] question = Arrays.copyOfRange(ids, 2_500, 2_590);
    try (Engine engine = Engine.open(options.build());
        KeptCache cache = engine.prefillKeeping(Arrays.copyOf(ids, 2_437), null, 300)) {
      float[][] alone = cache.extend(question, 90);
      cache.rewind(2_437);
      cache.extend(Arrays.copyOfRange(ids, 2_700, 2_900), 1);
      cache.rewind(2_500);
      cache.extend(Arrays.copyOf(ids, 1), 1);
      cache.rewind(2_437);
      assertThat(cache.extend(question, 90)).isDeepEqualTo(alone);
    }
  }
}
