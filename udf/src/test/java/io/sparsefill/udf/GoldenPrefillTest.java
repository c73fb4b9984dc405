package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withPrecision;

import io.sparsefill.udf.model.ChatGlmFolder;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.model.RopeFrequencies;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every family and length of {@code golden/hf} against what transformers computed in fp32 (the
 * oracle): last logits and K/V to 2e-4 relative in the Frobenius norm, nll to 1e-3 absolute.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GoldenPrefillTest {
  private static final double NORM = 2e-4;
  private static final double NLL = 1e-3;

  static List<Path> cases() throws IOException {
    return SharedMaterial.goldenModels();
  }

  /** The glm models of the golden folder, whatever their folders are called. */
  static List<Path> glmCases() throws IOException {
    List<Path> glm =
        cases().stream()
            .filter(folder -> ModelConfig.read(folder).modelType().equals("glm"))
            .toList();
    SharedMaterial.orSkip(!glm.isEmpty(), "skipped: no golden model is of type glm");
    return glm;
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithTransformers(Path folder) throws Exception {
    compare(folder, folder, 2, "resident", 16);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithStreamedWeightsOnOneThread(Path folder) throws Exception {
    compare(folder, folder, 1, "stream", 256);
  }

  /** GLM-4 as its authors published it: other names, and query, key and value in one tensor. */
  @ParameterizedTest
  @MethodSource("glmCases")
  void agreesWithTransformersWhenGlmIsStoredAsChatGlm(Path folder, @TempDir Path chatGlm)
      throws Exception {
    ChatGlmFolder.convert(folder, chatGlm);
    assertThat(ModelConfig.read(chatGlm).modelType()).isEqualTo("chatglm");
    compare(chatGlm, folder, 2, "resident", 16);
  }

  private static void compare(Path model, Path golden, int threads, String weights, int blockTokens)
      throws Exception {
    GoldenModel expected = GoldenModel.open(golden);
    RopeFrequencies frequencies = expected.frequencies(model, "cpu", NORM);
    double worst = 0;
    List<Integer> lengths = expected.lengths();
    EngineOptions options =
        GoldenModel.options(model, "cpu", weights, frequencies, blockTokens, threads);
    try (Engine engine = Engine.open(options)) {
      for (int n : lengths) {
        KvCollector kv = new KvCollector();
        PrefillResult result = engine.prefill(expected.ids(n), kv);
        worst = Math.max(worst, expected.norm("last_logits." + n, result.lastLogits()[0]));
        if (expected.has("nll." + n)) {
          assertThat(result.tokenNll())
              .as("nll at %d tokens", n)
              .containsExactly(expected.values("nll." + n), withPrecision((float) NLL));
        }
        for (int l = 0; l < engine.config().layers(); l++) {
          worst = Math.max(worst, expected.keysAndValues(kv, engine.config(), l, n));
        }
      }
    }
    assertThat(worst).as("worst relative norm of %s", model.getFileName()).isLessThan(NORM);
    System.out.printf(
        "%s: lengths %s, %s frequencies, worst relative norm %.1e, %.0f %% of what is allowed%n",
        model.getFileName(), lengths, frequencies.label(), worst, 100 * worst / NORM);
  }
}
