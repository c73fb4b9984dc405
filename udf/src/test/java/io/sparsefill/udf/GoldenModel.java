package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.model.RopeFrequencies;
import io.sparsefill.udf.model.Safetensors;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;

/**
 * What transformers computed in fp32 for a model of {@code golden/hf}: the oracle of whole
 * pre-fills.
 *
 * <p>A transformers model that was cast to bf16 as a whole has rounded rotary frequencies ever
 * after, also when it computes in fp32. Which ones an oracle had is read off its own keys: those of
 * layer 0 must agree with one of the two, and everything else then with the same.
 */
record GoldenModel(Safetensors expected) {
  static GoldenModel open(Path folder) {
    return new GoldenModel(Safetensors.open(folder.resolve("golden.safetensors")));
  }

  /** Options of a dense pre-fill that emits everything which the oracle has. */
  static EngineOptions options(
      Path model,
      String backend,
      String weights,
      RopeFrequencies frequencies,
      int blockTokens,
      int threads) {
    return new EngineOptions(
        model.toString(),
        backend,
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

  /** Lengths of the stored documents, ascending. */
  List<Integer> lengths() {
    List<Integer> lengths =
        expected.names().stream()
            .filter(name -> name.startsWith("ids."))
            .map(name -> Integer.valueOf(name.substring("ids.".length())))
            .sorted()
            .toList();
    assertThat(lengths).as("stored lengths").isNotEmpty();
    return lengths;
  }

  /** Token ids of the document of a length. */
  int[] ids(int n) {
    return expected.ints("ids." + n);
  }

  boolean has(String name) {
    return expected.names().contains(name);
  }

  /**
   * The rotary frequencies with which the oracle's keys of layer 0 agree best, over all stored
   * lengths.
   *
   * @param limit largest relative norm that agrees
   */
  RopeFrequencies frequencies(Path model, String backend, double limit) throws Exception {
    RopeFrequencies best = null;
    double least = Double.POSITIVE_INFINITY;
    for (RopeFrequencies frequencies : RopeFrequencies.values()) {
      try (Engine engine = Engine.open(options(model, backend, "resident", frequencies, 256, 2))) {
        double worst = 0;
        for (int n : lengths()) {
          if (has("k.0." + n)) {
            KvCollector kv = new KvCollector();
            engine.prefill(ids(n), kv);
            worst = Math.max(worst, keysAndValues(kv, engine.config(), 0, n));
          }
        }
        if (worst < least) {
          least = worst;
          best = frequencies;
        }
      }
    }
    assertThat(least).as("keys of layer 0 with the frequencies that fit best").isLessThan(limit);
    return best;
  }

  /** The worse relative norm of a layer's keys and values, 0 when none are stored. */
  double keysAndValues(KvCollector kv, ModelConfig config, int layer, int n) {
    double worst = 0;
    for (String kind : List.of("k", "v")) {
      String key = kind + "." + layer + "." + n;
      if (has(key)) {
        int kept = Math.toIntExact(expected.shape(key).get(1));
        float[] all = kv.layer(layer, kind.equals("k"), config, n);
        worst = Math.max(worst, norm(key, lastTokens(all, config, n, kept)));
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

  /** Frobenius norm of the difference over that of the stored tensor. */
  double norm(String key, float[] actual) {
    float[] golden = values(key);
    assertThat(actual).as(key).hasSameSizeAs(golden);
    return Distance.relative(actual, golden);
  }

  /** A stored tensor, row-major. */
  float[] values(String name) {
    HostMatrix matrix = expected.matrix(name);
    float[] values = new float[Math.toIntExact(matrix.rows() * matrix.cols())];
    matrix.read(0, Math.toIntExact(matrix.rows()), values, 0);
    return values;
  }
}
