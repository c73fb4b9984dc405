package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withPrecision;

import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.model.ChatGlmFolder;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.model.RopeFrequencies;
import io.sparsefill.udf.model.Safetensors;
import java.io.IOException;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every family and length of {@code golden/hf} against what transformers computed in fp32 (the
 * oracle): last logits and K/V to 2e-4 relative in the Frobenius norm, nll to 1e-3 absolute.
 *
 * <p>A transformers model that was cast to bf16 as a whole has rounded rotary frequencies ever
 * after, also when it computes in fp32. Which ones an oracle had is read off its own keys: those of
 * layer 0 must agree with one of the two, and everything else then with the same.
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
    Safetensors expected = Safetensors.open(golden.resolve("golden.safetensors"));
    RopeFrequencies frequencies = frequenciesOf(model, expected);
    double worst = 0;
    List<Integer> lengths = lengths(expected);
    try (Engine engine = Engine.open(options(model, weights, frequencies, blockTokens, threads))) {
      for (int n : lengths) {
        KvCollector kv = new KvCollector();
        PrefillResult result = engine.prefill(expected.ints("ids." + n), kv);
        String logits = "last_logits." + n;
        worst = Math.max(worst, norm(expected, logits, result.lastLogits()[0]));
        if (expected.names().contains("nll." + n)) {
          assertThat(result.tokenNll())
              .as("nll at %d tokens", n)
              .containsExactly(values(expected, "nll." + n), withPrecision((float) NLL));
        }
        for (int l = 0; l < engine.config().layers(); l++) {
          worst = Math.max(worst, keysAndValues(expected, kv, engine.config(), l, n));
        }
      }
    }
    assertThat(worst).as("worst relative norm of %s", model.getFileName()).isLessThan(NORM);
    System.out.printf(
        "%s: lengths %s, %s frequencies, worst relative norm %.1e, %.0f %% of what is allowed%n",
        model.getFileName(), lengths, frequencies.label(), worst, 100 * worst / NORM);
  }

  private static EngineOptions options(
      Path model, String weights, RopeFrequencies frequencies, int blockTokens, int threads) {
    return new EngineOptions(
        model.toString(),
        "cpu",
        weights,
        "dense",
        null,
        EnumSet.of(Emit.KV, Emit.LOGITS, Emit.NLL),
        1,
        frequencies,
        KvDtype.FP32,
        blockTokens,
        threads);
  }

  private static List<Integer> lengths(Safetensors expected) {
    List<Integer> lengths =
        expected.names().stream()
            .filter(name -> name.startsWith("ids."))
            .map(name -> Integer.valueOf(name.substring("ids.".length())))
            .sorted()
            .toList();
    assertThat(lengths).as("stored lengths").isNotEmpty();
    return lengths;
  }

  /**
   * The rotary frequencies with which the oracle's keys of layer 0 agree, over all stored lengths.
   */
  private static RopeFrequencies frequenciesOf(Path model, Safetensors expected) throws Exception {
    StringBuilder errors = new StringBuilder();
    for (RopeFrequencies frequencies : RopeFrequencies.values()) {
      try (Engine engine = Engine.open(options(model, "resident", frequencies, 256, 2))) {
        double worst = 0;
        for (int n : lengths(expected)) {
          if (expected.names().contains("k.0." + n)) {
            KvCollector kv = new KvCollector();
            engine.prefill(expected.ints("ids." + n), kv);
            worst = Math.max(worst, keysAndValues(expected, kv, engine.config(), 0, n));
          }
        }
        if (worst < NORM) {
          return frequencies;
        }
        errors.append(" %s %.1e".formatted(frequencies.label(), worst));
      }
    }
    throw new AssertionError("Keys of layer 0 agree with no frequencies:" + errors);
  }

  /** The worse relative norm of a layer's keys and values, 0 when none are stored. */
  private static double keysAndValues(
      Safetensors expected, KvCollector kv, ModelConfig config, int layer, int n) {
    double worst = 0;
    for (String kind : List.of("k", "v")) {
      String key = kind + "." + layer + "." + n;
      if (expected.names().contains(key)) {
        int kept = Math.toIntExact(expected.shape(key).get(1));
        float[] all = kv.layer(layer, kind.equals("k"), config, n);
        worst = Math.max(worst, norm(expected, key, lastTokens(all, config, n, kept)));
      }
    }
    return worst;
  }

  /** A sliding-window cache of transformers holds the last tokens only. */
  private static float[] lastTokens(float[] all, ModelConfig config, int tokens, int kept) {
    int d = config.headDim();
    float[] result = new float[config.kvHeads() * kept * d];
    for (int g = 0; g < config.kvHeads(); g++) {
      System.arraycopy(all, (g * tokens + tokens - kept) * d, result, g * kept * d, kept * d);
    }
    return result;
  }

  private static double norm(Safetensors expected, String key, float[] actual) {
    float[] golden = values(expected, key);
    assertThat(actual).as(key).hasSameSizeAs(golden);
    double error = 0;
    double size = 0;
    for (int i = 0; i < golden.length; i++) {
      error += Math.pow(actual[i] - golden[i], 2);
      size += Math.pow(golden[i], 2);
    }
    return Math.sqrt(error / size);
  }

  private static float[] values(Safetensors file, String name) {
    HostMatrix matrix = file.matrix(name);
    float[] values = new float[Math.toIntExact(matrix.rows() * matrix.cols())];
    matrix.read(0, Math.toIntExact(matrix.rows()), values, 0);
    return values;
  }
}
