package io.sparsefill.udf.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Rope types against published numbers and against the papers' formulas in double precision; what
 * transformers computes is compared with whole keys in {@link LayerZeroTest}.
 */
class RopeScalingTest {
  private static final Offset<Double> FP32 = within(1e-6);

  @TempDir Path folder;

  /** The rope of a config with head_dim 128 and theta 1e6 unless the rope object says otherwise. */
  private RopeConfig rope(String type, int maxPositions, String ropeJson, Map<String, Object> more)
      throws IOException {
    ObjectMapper json = new ObjectMapper();
    Map<String, Object> config = new TreeMap<>(more);
    config.put("model_type", type);
    for (String key : List.of("hidden_size", "intermediate_size", "vocab_size")) {
      config.put(key, 256);
    }
    config.put("num_hidden_layers", 1);
    config.put("num_attention_heads", 2);
    config.put("num_key_value_heads", 1);
    config.putIfAbsent("head_dim", 128);
    config.put("max_position_embeddings", maxPositions);
    config.put("rms_norm_eps", 1e-6);
    config.putIfAbsent("rope_theta", 1e6);
    config.put("rope_scaling", json.readTree(ropeJson));
    Files.writeString(folder.resolve("config.json"), json.writeValueAsString(config));
    return ModelConfig.read(folder).rope();
  }

  private static double plain(double theta, int dim, int pair) {
    return Math.pow(theta, -2.0 * pair / dim);
  }

  private static void assertRatio(double actual, double expected) {
    assertThat(actual / expected).isCloseTo(1, FP32);
  }

  @Test
  void yarnOfQwenBlendsPairs23To40AndScalesBy1Point1386() throws IOException {
    RopeConfig rope =
        rope(
            "qwen2",
            131_072,
            "{\"type\":\"yarn\",\"factor\":4.0,\"original_max_position_embeddings\":32768}",
            Map.of());
    assertThat(((RopeScaling.Yarn) rope.scaling()).ramp(1e6, 128)).containsExactly(23, 40);
    for (int tokens : new int[] {1, 32_768, 131_072}) {
      assertThat(rope.table(tokens, RopeFrequencies.FP32).attentionScaling())
          .isCloseTo(1.1386, within(5e-5));
      double[] inverse = rope.table(tokens, RopeFrequencies.FP32).inverseFrequency();
      assertThat(inverse).hasSize(64);
      for (int i = 0; i < 64; i++) {
        double stretched = Math.min(1, Math.max(0, (i - 23) / 17.0));
        assertRatio(inverse[i], plain(1e6, 128, i) * (1 - stretched + stretched / 4));
      }
    }
  }

  @Test
  void yarnOptionsAreHonoured() throws IOException {
    RopeConfig rope =
        rope(
            "llama",
            4096,
            "{\"rope_type\":\"yarn\",\"factor\":40,\"original_max_position_embeddings\":1024,"
                + "\"mscale\":1.0,\"mscale_all_dim\":0.707,\"beta_fast\":16,\"beta_slow\":2,\"truncate\":false}",
            Map.of());
    double expected = (0.1 * Math.log(40) + 1) / (0.1 * 0.707 * Math.log(40) + 1);
    assertThat(rope.table(9, RopeFrequencies.FP32).attentionScaling()).isCloseTo(expected, FP32);
    double low = 128 * Math.log(1024 / (16 * 2 * Math.PI)) / (2 * Math.log(1e6));
    double high = 128 * Math.log(1024 / (2 * 2 * Math.PI)) / (2 * Math.log(1e6));
    assertThat(((RopeScaling.Yarn) rope.scaling()).ramp(1e6, 128)).containsExactly(low, high);
    RopeConfig fixed =
        rope("llama", 4096, "{\"type\":\"yarn\",\"factor\":2,\"attention_factor\":1.5}", Map.of());
    assertThat(fixed.table(9, RopeFrequencies.FP32).attentionScaling()).isEqualTo(1.5);
    assertThat(((RopeScaling.Yarn) fixed.scaling()).originalPositions()).isEqualTo(4096);
  }

  @Test
  void longRopeOfPhi3ChangesFactorsBeyond4096AndScalesBy1Point1902() throws IOException {
    List<Double> shorter = Collections.nCopies(48, 1.05);
    List<Double> longer = IntStream.range(0, 48).mapToObj(i -> 1.0 + i).toList();
    for (String type : List.of("su", "longrope", "yarn")) {
      RopeConfig rope =
          rope(
              "phi3",
              131_072,
              "{\"type\":\"%s\",\"short_factor\":%s,\"long_factor\":%s}"
                  .formatted(type, shorter, longer),
              Map.of("head_dim", 96, "rope_theta", 1e4, "original_max_position_embeddings", 4096));
      assertThat(rope.scaling().type()).isEqualTo("longrope");
      for (int i = 0; i < 48; i++) {
        assertRatio(
            rope.table(4096, RopeFrequencies.FP32).inverseFrequency()[i], plain(1e4, 96, i) / 1.05);
        assertRatio(
            rope.table(4097, RopeFrequencies.FP32).inverseFrequency()[i],
            plain(1e4, 96, i) / (1 + i));
      }
      assertThat(rope.table(1, RopeFrequencies.FP32).attentionScaling())
          .isCloseTo(1.1902, within(5e-5));
      assertThat(rope.table(100_000, RopeFrequencies.FP32).attentionScaling())
          .isCloseTo(1.1902, within(5e-5));
    }
  }

  @Test
  void longRopeTakesGivenScalings() throws IOException {
    String factors = "\"short_factor\":[1,1],\"long_factor\":[2,2]";
    Map<String, Object> small = Map.of("head_dim", 4, "original_max_position_embeddings", 100);
    RopeConfig byLength =
        rope(
            "phi3",
            400,
            "{\"type\":\"longrope\",\"short_mscale\":1.1,\"long_mscale\":1.3," + factors + "}",
            small);
    assertThat(byLength.table(100, RopeFrequencies.FP32).attentionScaling()).isEqualTo(1.1);
    assertThat(byLength.table(101, RopeFrequencies.FP32).attentionScaling()).isEqualTo(1.3);
    RopeConfig given =
        rope(
            "phi3", 400, "{\"type\":\"longrope\",\"attention_factor\":1.2," + factors + "}", small);
    assertThat(given.table(101, RopeFrequencies.FP32).attentionScaling()).isEqualTo(1.2);
    RopeConfig shrunk = rope("phi3", 50, "{\"type\":\"longrope\"," + factors + "}", small);
    assertThat(shrunk.table(10, RopeFrequencies.FP32).attentionScaling()).isEqualTo(1);
  }

  /** Oracle: the three cases of Llama 3.1's reference code, in double precision. */
  @Test
  void llama3KeepsShortWavesAndDividesLongOnes() throws IOException {
    RopeConfig rope =
        rope(
            "llama",
            131_072,
            "{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
                + "\"original_max_position_embeddings\":8192}",
            Map.of("rope_theta", 5e5));
    int[] cases = new int[3];
    double[] inverse = rope.table(5, RopeFrequencies.FP32).inverseFrequency();
    for (int i = 0; i < 64; i++) {
      double plain = plain(5e5, 128, i);
      double wave = 2 * Math.PI / plain;
      if (wave < 8192 / 4.0) {
        cases[0]++;
        assertRatio(inverse[i], plain);
      } else if (wave > 8192) {
        cases[1]++;
        assertRatio(inverse[i], plain / 8);
      } else {
        cases[2]++;
        double smooth = (8192 / wave - 1) / 3;
        assertRatio(inverse[i], (1 - smooth) * plain / 8 + smooth * plain);
      }
    }
    assertThat(cases).containsExactly(29, 29, 6);
    assertThat(rope.table(5, RopeFrequencies.FP32).attentionScaling()).isEqualTo(1);
  }

  @Test
  void linearDividesAndDynamicGrowsTheBaseBeyondTheMaximum() throws IOException {
    RopeConfig linear = rope("llama", 512, "{\"type\":\"linear\",\"factor\":4}", Map.of());
    RopeConfig dynamic = rope("llama", 512, "{\"type\":\"dynamic\",\"factor\":4}", Map.of());
    double base = 1e6 * Math.pow(4 * 2048 / 512.0 - 3, 128 / 126.0);
    for (int i = 0; i < 64; i++) {
      assertRatio(
          linear.table(9, RopeFrequencies.FP32).inverseFrequency()[i], plain(1e6, 128, i) / 4);
      assertRatio(
          dynamic.table(512, RopeFrequencies.FP32).inverseFrequency()[i], plain(1e6, 128, i));
      assertRatio(
          dynamic.table(2048, RopeFrequencies.FP32).inverseFrequency()[i], plain(base, 128, i));
    }
  }

  /** Oracle: bfloat16 has 8 significant bits, so the nearest is within 2^-8 relative. */
  @Test
  void roundedFrequenciesLeaveOutWhatTransformersRecomputes() throws IOException {
    RopeConfig plain = rope("llama", 512, "null", Map.of());
    double[] exact = plain.table(9, RopeFrequencies.FP32).inverseFrequency();
    double[] rounded = plain.table(9, RopeFrequencies.BF16).inverseFrequency();
    assertThat(rounded).isNotEqualTo(exact);
    for (int i = 0; i < 64; i++) {
      assertThat(rounded[i] / exact[i]).isCloseTo(1, within(0x1p-8));
      assertThat(Float.floatToRawIntBits((float) rounded[i]) & 0xffff).isZero();
    }
    RopeConfig dynamic = rope("llama", 512, "{\"type\":\"dynamic\",\"factor\":4}", Map.of());
    assertThat(dynamic.table(512, RopeFrequencies.BF16).inverseFrequency()).isEqualTo(rounded);
    assertThat(dynamic.table(513, RopeFrequencies.BF16).inverseFrequency())
        .isEqualTo(dynamic.table(513, RopeFrequencies.FP32).inverseFrequency());
  }

  @Test
  void partialRotaryTurnsTheFirstDimensionsOnly() throws IOException {
    RopeConfig rope =
        rope("phi3", 512, "null", Map.of("head_dim", 128, "partial_rotary_factor", 0.75));
    assertThat(rope.table(3, RopeFrequencies.FP32).inverseFrequency()).hasSize(48);
    assertThat(rope.table(3, RopeFrequencies.FP32).headDim()).isEqualTo(128);
    assertRatio(rope.table(3, RopeFrequencies.FP32).inverseFrequency()[47], plain(1e6, 96, 47));
  }
}
