package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sparsefill.kernels.cuda.CudaBackend;
import io.sparsefill.udf.model.RopeFrequencies;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every family and length of {@code golden/hf} on a GPU in bf16, against what transformers computed
 * in fp32 (the oracle): keys and values of layer 0 to 1e-2 relative in the Frobenius norm, all
 * others, nll and last logits to 5e-2, and the same next token where the oracle is that sure of it.
 */
class CudaPrefillTest {
  private static final double FIRST_LAYER = 1e-2;
  private static final double NORM = 5e-2;

  @BeforeAll
  static void needsDevice() {
    CudaBackend.unavailable()
        .ifPresent(reason -> System.out.println("Skipped, no CUDA device: " + reason));
    assumeTrue(CudaBackend.unavailable().isEmpty(), "no CUDA device");
  }

  static List<Path> cases() throws IOException {
    return SharedMaterial.goldenModels();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithTransformers(Path folder) throws Exception {
    compare(folder, "resident", 16);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithStreamedWeights(Path folder) throws Exception {
    compare(folder, "stream", 256);
  }

  private static void compare(Path folder, String weights, int blockTokens) throws Exception {
    GoldenModel expected = GoldenModel.open(folder);
    RopeFrequencies frequencies = expected.frequencies(folder, "cuda", FIRST_LAYER);
    double firstLayer = 0;
    double worst = 0;
    EngineOptions options =
        GoldenModel.options(folder, "cuda", weights, frequencies, blockTokens, 2);
    try (Engine engine = Engine.open(options)) {
      for (int n : expected.lengths()) {
        KvCollector kv = new KvCollector();
        PrefillResult result = engine.prefill(expected.ids(n), kv);
        float[] logits = result.lastLogits()[0];
        worst = Math.max(worst, expected.norm("last_logits." + n, logits));
        assertSameNextToken(expected.values("last_logits." + n), logits, n);
        if (expected.has("nll." + n)) {
          worst = Math.max(worst, expected.norm("nll." + n, result.tokenNll()));
        }
        firstLayer = Math.max(firstLayer, expected.keysAndValues(kv, engine.config(), 0, n));
        for (int l = 1; l < engine.config().layers(); l++) {
          worst = Math.max(worst, expected.keysAndValues(kv, engine.config(), l, n));
        }
      }
    }
    System.out.printf(
        "%s on the GPU, %s weights: worst relative norm of layer 0 %.1e, of the rest %.1e%n",
        folder.getFileName(), weights, firstLayer, worst);
    assertThat(firstLayer).as("layer 0 of %s", folder.getFileName()).isLessThan(FIRST_LAYER);
    assertThat(worst).as("worst relative norm of %s", folder.getFileName()).isLessThan(NORM);
  }

  /**
   * Where the oracle's margin between its two best tokens is larger than what the tolerance lets a
   * logit move: 5e-2 of the logits' norm, spread evenly.
   */
  private static void assertSameNextToken(float[] golden, float[] logits, int n) {
    double norm = 0;
    for (float x : golden) {
      norm += (double) x * x;
    }
    int best = argmax(golden, -1);
    double margin = golden[best] - golden[argmax(golden, best)];
    if (margin > 2 * NORM * Math.sqrt(norm / golden.length)) {
      assertThat(argmax(logits, -1)).as("next token after %d", n).isEqualTo(best);
    }
  }

  private static int argmax(float[] x, int without) {
    int best = without == 0 ? 1 : 0;
    for (int i = 0; i < x.length; i++) {
      if (i != without && x[i] > x[best]) {
        best = i;
      }
    }
    return best;
  }
}
