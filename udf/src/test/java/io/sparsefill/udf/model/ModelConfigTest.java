package io.sparsefill.udf.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.udf.SharedMaterial;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * config.json of both transformers generations; oracle of the defaults is transformers 5.17's
 * configuration classes.
 */
class ModelConfigTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  /**
   * A Llama of the older generation with some keys changed: {@code null} text removes, other text
   * is JSON.
   */
  private ModelConfig read(String... changes) throws IOException {
    ObjectNode config =
        (ObjectNode)
            JSON.readTree(
                """
                {"model_type": "llama", "hidden_size": 96, "intermediate_size": 256,
                 "num_hidden_layers": 4, "num_attention_heads": 6, "num_key_value_heads": 2,
                 "vocab_size": 100, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
                 "rope_theta": 500000.0, "hidden_act": "silu", "torch_dtype": "bfloat16"}
                """);
    for (int i = 0; i < changes.length; i += 2) {
      if (changes[i + 1] == null) {
        config.remove(changes[i]);
      } else {
        config.set(changes[i], JSON.readTree(changes[i + 1]));
      }
    }
    JSON.writeValue(folder.resolve("config.json").toFile(), config);
    return ModelConfig.read(folder);
  }

  private void refused(String message, String... changes) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> read(changes))
        .withMessageContaining("config.json")
        .withMessageContaining(message);
  }

  @Test
  void olderGenerationIsRead() throws IOException {
    ModelConfig config = read("bos_token_id", "[7, 8]");
    assertThat(config.modelType()).isEqualTo("llama");
    assertThat(config.layers()).isEqualTo(4);
    assertThat(config.hiddenSize()).isEqualTo(96);
    assertThat(config.heads()).isEqualTo(6);
    assertThat(config.kvHeads()).isEqualTo(2);
    assertThat(config.headDim()).isEqualTo(16);
    assertThat(config.qkvRows()).isEqualTo(160);
    assertThat(config.ffn()).isEqualTo(256);
    assertThat(config.vocab()).isEqualTo(100);
    assertThat(config.normEps()).isEqualTo(1e-5);
    assertThat(config.tiedEmbedding()).isFalse();
    assertThat(config.qkvBias()).isFalse();
    assertThat(config.qkNorm()).isFalse();
    assertThat(config.bosTokenId()).isEqualTo(7);
    assertThat(config.maxPositions()).isEqualTo(512);
    assertThat(config.attentionScale()).isEqualTo(0.25f);
    assertThat(config.windows()).containsExactly(0, 0, 0, 0);
    assertThat(config.rope())
        .isEqualTo(new RopeConfig(500000, 16, 16, false, new RopeScaling.Unscaled()));
    assertThat(config.rope().pairing()).isEqualTo("half_split");
  }

  @Test
  void newerGenerationSaysTheSameInOtherWords() throws IOException {
    ModelConfig older =
        read(
            "rope_scaling",
            "{\"type\": \"linear\", \"factor\": 4.0}",
            "torch_dtype",
            "\"float16\"");
    String linear = "{\"rope_type\": \"linear\", \"factor\": 4.0, \"rope_theta\": 500000.0}";
    ModelConfig newer =
        read(
            "rope_parameters",
            linear,
            "rope_theta",
            null,
            "torch_dtype",
            null,
            "dtype",
            "\"float16\"");
    ModelConfig perLayerType =
        read(
            "rope_parameters",
            "{\"full_attention\": %s, \"sliding_attention\": %s}".formatted(linear, linear),
            "rope_theta",
            null);
    assertThat(newer).isEqualTo(older).isEqualTo(perLayerType);
    assertThat(newer.rope().scaling()).isEqualTo(new RopeScaling.Linear(4));
  }

  @Test
  void absentKeysTakeTransformersDefaults() throws IOException {
    ModelConfig llama = read("num_key_value_heads", null, "rope_theta", null, "hidden_act", null);
    assertThat(llama.kvHeads()).isEqualTo(6);
    assertThat(llama.rope().theta()).isEqualTo(10_000);
    assertThat(llama.bosTokenId()).isNull();
    assertThat(read("model_type", "\"qwen3\"").headDim()).isEqualTo(128);
    assertThat(read("model_type", "\"qwen2\"").qkvBias()).isTrue();
    assertThat(read("model_type", "\"phi3\"", "num_key_value_heads", "null").kvHeads())
        .isEqualTo(6);
    ModelConfig glm = read("model_type", "\"glm\"", "head_dim", "64");
    assertThat(glm.qkvBias()).isTrue();
    assertThat(glm.rope().rotaryDim()).isEqualTo(32);
    assertThat(glm.rope().pairing()).isEqualTo("interleaved");
  }

  @Test
  void mistralHasOneWindowForAllLayers() throws IOException {
    assertThat(read("model_type", "\"mistral\"", "sliding_window", "48").windows())
        .containsExactly(48, 48, 48, 48);
    assertThat(read("model_type", "\"mistral\"", "sliding_window", "null").windows())
        .containsExactly(0, 0, 0, 0);
    assertThat(read("model_type", "\"mistral\"").window(3)).isEqualTo(4096);
    assertThat(read("model_type", "\"phi3\"", "sliding_window", "2047").window(0)).isEqualTo(2047);
    assertThat(read("model_type", "\"phi3\"").window(0)).isZero();
    refused(
        "layer_types has 'full_attention', but every layer of this mistral has a window of 48",
        "model_type",
        "\"mistral\"",
        "sliding_window",
        "48",
        "layer_types",
        "[\"sliding_attention\",\"full_attention\",\"sliding_attention\",\"full_attention\"]");
  }

  @ParameterizedTest
  @ValueSource(strings = {"\"qwen2\"", "\"qwen3\""})
  void qwenHasWindowsOnItsUpperLayers(String type) throws IOException {
    String[] on = {"model_type", type, "use_sliding_window", "true", "sliding_window", "32"};
    assertThat(read(with(on, "max_window_layers", "3")).windows()).containsExactly(0, 0, 0, 32);
    assertThat(read(with(on, "max_window_layers", "0")).windows()).containsExactly(32, 32, 32, 32);
    assertThat(read(on).windows()).containsExactly(0, 0, 0, 0);
    assertThat(
            read(with(
                    on,
                    "layer_types",
                    "[\"full_attention\",\"sliding_attention\",\"full_attention\",\"sliding_attention\"]"))
                .windows())
        .containsExactly(0, 32, 0, 32);
    assertThat(read("model_type", type, "sliding_window", "32", "max_window_layers", "0").windows())
        .containsExactly(0, 0, 0, 0);
    refused(
        "layer 1 is of type sliding_attention, but use_sliding_window is off",
        "model_type",
        type,
        "layer_types",
        "[\"full_attention\",\"sliding_attention\",\"full_attention\",\"full_attention\"]");
    refused(
        "layer_types has 1 entries for 4 layers", with(on, "layer_types", "[\"full_attention\"]"));
    refused(
        "layer type 'chunked_attention' is not known",
        with(
            on,
            "layer_types",
            "[\"chunked_attention\",\"full_attention\",\"full_attention\",\"full_attention\"]"));
  }

  private static String[] with(String[] changes, String key, String value) {
    String[] all = java.util.Arrays.copyOf(changes, changes.length + 2);
    all[changes.length] = key;
    all[changes.length + 1] = value;
    return all;
  }

  @Test
  void chatGlmHasNamesOfItsOwn() throws IOException {
    Files.writeString(
        folder.resolve("config.json"),
        """
        {"model_type": "chatglm", "hidden_size": 4096, "ffn_hidden_size": 13696, "num_layers": 40,
         "num_hidden_layers": 40, "num_attention_heads": 32, "multi_query_attention": true,
         "multi_query_group_num": 4, "kv_channels": 128, "padded_vocab_size": 151552,
         "layernorm_epsilon": 1.5625e-07, "rope_ratio": 10000, "add_qkv_bias": true,
         "add_bias_linear": false, "seq_length": 1048576, "original_rope": true, "rmsnorm": true,
         "post_layer_norm": true, "apply_query_key_layer_scaling": true,
         "apply_residual_connection_post_layernorm": false, "tie_word_embeddings": false}
        """);
    ModelConfig config = ModelConfig.read(folder);
    assertThat(config.layers()).isEqualTo(40);
    assertThat(config.kvHeads()).isEqualTo(4);
    assertThat(config.headDim()).isEqualTo(128);
    assertThat(config.ffn()).isEqualTo(13696);
    assertThat(config.vocab()).isEqualTo(151552);
    assertThat(config.normEps()).isEqualTo(1.5625e-07);
    assertThat(config.qkvBias()).isTrue();
    assertThat(config.maxPositions()).isEqualTo(1_048_576);
    assertThat(config.rope())
        .isEqualTo(new RopeConfig(1e8, 128, 64, true, new RopeScaling.Unscaled()));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          model_type              | "mamba"        | accepted: llama, mistral, qwen2, qwen3, phi3, glm, chatglm
          hidden_act              | "gelu"         | accepted: silu
          torch_dtype             | "int8"         | accepted: bfloat16, float16, float32
          dtype                   | "float8_e4m3fn"| accepted: bfloat16, float16, float32
          attention_bias          | true           | false for llama
          mlp_bias                | true           | not computed
          attn_logit_softcapping  | 50.0           | not computed
          num_local_experts       | 8              | not computed
          quantization_config     | {"bits": 4}    | not computed
          attention_multiplier    | 0.015625       | not computed
          embedding_multiplier    | 12.0           | absent or 1
          logits_scaling          | 8              | absent or 1
          num_attention_heads     | 7              | hidden_size 96 is not a multiple of num_attention_heads 7
          num_key_value_heads     | 4              | 6 query heads cannot share 4 key-value heads
          head_dim                | 15             | even number
          num_hidden_layers       | 0              | a positive integer
          num_hidden_layers       | "4"            | a positive integer
          rms_norm_eps            | -1             | greater than 0
          tie_word_embeddings     | "yes"          | true or false
          bos_token_id            | "a"            | a token id
          partial_rotary_factor   | 0.5            | 1 for llama
          layer_types             | "all"          | a list of strings
          rope_scaling            | {"rope_type":"ntk","factor":2} | rope type 'ntk' is not known; accepted: default, linear
          rope_scaling            | {"rope_type":"linear"}         | 'factor' is missing
          rope_scaling            | {"rope_type":"linear","factor":2,"beta_fast":3} | 'beta_fast' is not known for rope type 'linear'
          rope_scaling            | {"factor":4.0}                 | 'factor' is not known for rope type 'default'
          rope_scaling            | "linear"                       | an object
          rope_scaling            | {"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":1} | more than low_freq_factor
          rope_scaling            | {"type":"su","short_factor":[1,1],"long_factor":[1,1]} | has 2 factors, but 8 pairs
          rope_parameters         | {"full_attention":{"rope_theta":1e4},"sliding_attention":{"rope_theta":1e6}} | differ; accepted: one rotary
          """)
  void unsupportedValueIsRefusedByName(String key, String value, String message) {
    refused(message, key, value);
  }

  @Test
  void valuesThatMeanOffArePassed() throws IOException {
    ModelConfig config =
        read(
            "mlp_bias", "false",
            "attn_logit_softcapping", "null",
            "num_local_experts", "0",
            "embedding_multiplier", "1.0",
            "attention_bias", "false",
            "quantization_config", "{}",
            "rope_scaling", "null",
            "some_key_of_tomorrow", "3");
    assertThat(config).isEqualTo(read());
  }

  @Test
  void contradictingRopeOfBothGenerationsIsRefused() {
    refused(
        "rope_parameters and rope_scaling differ",
        "rope_scaling",
        "{\"type\":\"linear\",\"factor\":2}",
        "rope_parameters",
        "{\"rope_type\":\"linear\",\"factor\":4}");
  }

  @Test
  void missingKeyFileOrBrokenJsonIsNamed() throws IOException {
    for (String key : List.of("model_type", "hidden_size", "vocab_size", "rms_norm_eps")) {
      refused("'" + key + "' is missing", key, null);
    }
    refused(
        "'num_key_value_heads' is missing", "model_type", "\"qwen2\"", "num_key_value_heads", null);
    Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"llama\", ");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> ModelConfig.read(folder))
        .withMessageContaining("not valid JSON");
    Files.writeString(folder.resolve("config.json"), "[]");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> ModelConfig.read(folder))
        .withMessageContaining("not a JSON object");
    Files.delete(folder.resolve("config.json"));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> ModelConfig.read(folder))
        .withMessageContaining("no such file");
  }

  /** Oracle: the numbers in the files themselves, as whichever generation wrote them. */
  @Test
  void everyGoldenConfigIsRead() throws IOException {
    for (Path model : SharedMaterial.goldenModels()) {
      JsonNode json = JSON.readTree(model.resolve("config.json").toFile());
      ModelConfig config = ModelConfig.read(model);
      assertThat(config.modelType()).as("%s", model).isEqualTo(json.path("model_type").asText());
      assertThat(config.heads()).isEqualTo(json.path("num_attention_heads").asInt());
      assertThat(config.hiddenSize()).isEqualTo(json.path("hidden_size").asInt());
      if (config.modelType().equals("chatglm")) {
        continue; // the rest has other names there
      }
      assertThat(config.layers()).isEqualTo(json.path("num_hidden_layers").asInt());
      assertThat(config.kvHeads())
          .isEqualTo(json.path("num_key_value_heads").asInt(config.heads()));
      assertThat(config.vocab()).isEqualTo(json.path("vocab_size").asInt());
      assertThat(config.normEps()).isEqualTo(json.path("rms_norm_eps").asDouble());
      JsonNode rope = json.path(json.has("rope_parameters") ? "rope_parameters" : "rope_scaling");
      assertThat(config.rope().theta())
          .isEqualTo(rope.path("rope_theta").asDouble(json.path("rope_theta").asDouble(10_000)));
      if (rope.has("rope_type")) {
        assertThat(config.rope().scaling().type()).isEqualTo(rope.path("rope_type").asText());
      }
      if (config.modelType().equals("mistral")) {
        assertThat(config.windows()).containsOnly(json.path("sliding_window").asInt(0));
      }
    }
  }

  /** Oracle: the table in the README beside the models. */
  @Test
  void needleModelsHaveTheirPublishedShapes() {
    ModelConfig small = ModelConfig.read(SharedMaterial.model("needle-2m"));
    assertThat(List.of(small.layers(), small.heads(), small.kvHeads(), small.headDim()))
        .containsExactly(4, 4, 2, 64);
    assertThat(List.of(small.hiddenSize(), small.ffn(), small.vocab()))
        .containsExactly(192, 512, 2048);
    assertThat(small.tiedEmbedding()).isTrue();
    assertThat(small.bosTokenId()).isZero();
    ModelConfig large = ModelConfig.read(SharedMaterial.model("needle-19m"));
    assertThat(List.of(large.layers(), large.heads(), large.kvHeads(), large.headDim()))
        .containsExactly(6, 8, 2, 64);
    assertThat(List.of(large.hiddenSize(), large.ffn(), large.vocab()))
        .containsExactly(512, 1408, 4096);
    assertThat(large.rope().theta()).isEqualTo(5e6);
  }
}
