package io.sparsefill.udf.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.kernels.HostMatrix;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Rewrites a {@code glm} checkpoint of transformers as the original {@code chatglm} checkpoints
 * are.
 */
public final class ChatGlmFolder {
  private final Safetensors source;
  private final SafetensorsWriter target = new SafetensorsWriter();

  private ChatGlmFolder(Safetensors source) {
    this.source = source;
  }

  /**
   * Writes config.json and model.safetensors with the original names, query, key and value fused;
   * golden.safetensors is copied, so that the target can be checked like its source.
   *
   * @param glm folder of a {@code glm} model with its weights in one file
   * @param target folder to write to
   */
  public static void convert(Path glm, Path target) throws IOException {
    Files.createDirectories(target);
    ObjectMapper json = new ObjectMapper();
    JsonNode config = json.readTree(glm.resolve("config.json").toFile());
    json.writeValue(target.resolve("config.json").toFile(), config(config));
    ChatGlmFolder folder = new ChatGlmFolder(Safetensors.open(glm.resolve("model.safetensors")));
    folder.tensors(config.path("num_hidden_layers").asInt(), config);
    folder.target.write(target.resolve("model.safetensors"));
    Path golden = glm.resolve("golden.safetensors");
    if (Files.exists(golden)) {
      Files.copy(golden, target.resolve("golden.safetensors"));
    }
  }

  private static Map<String, Object> config(JsonNode glm) {
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("model_type", "chatglm");
    config.put("architectures", List.of("ChatGLMModel"));
    config.put("add_bias_linear", false);
    config.put("add_qkv_bias", glm.path("attention_bias").asBoolean());
    config.put("apply_query_key_layer_scaling", true);
    config.put("apply_residual_connection_post_layernorm", false);
    config.put("attention_softmax_in_fp32", true);
    config.put("ffn_hidden_size", glm.path("intermediate_size").asInt());
    config.put("fp32_residual_connection", false);
    config.put("hidden_size", glm.path("hidden_size").asInt());
    config.put("kv_channels", glm.path("head_dim").asInt());
    config.put("layernorm_epsilon", glm.path("rms_norm_eps").asDouble());
    config.put("multi_query_attention", true);
    config.put("multi_query_group_num", glm.path("num_key_value_heads").asInt());
    config.put("num_attention_heads", glm.path("num_attention_heads").asInt());
    config.put("num_layers", glm.path("num_hidden_layers").asInt());
    config.put("original_rope", true);
    config.put("padded_vocab_size", glm.path("vocab_size").asInt());
    config.put("post_layer_norm", true);
    config.put("rmsnorm", true);
    JsonNode rope = glm.has("rope_parameters") ? glm.path("rope_parameters") : glm;
    config.put("rope_ratio", rope.path("rope_theta").asDouble() / 10_000);
    config.put("seq_length", glm.path("max_position_embeddings").asInt());
    config.put("tie_word_embeddings", false);
    config.put("torch_dtype", "bfloat16");
    return config;
  }

  private void tensors(int layers, JsonNode config) {
    copy("model.embed_tokens.weight", "transformer.embedding.word_embeddings.weight");
    target.f32("transformer.rotary_pos_emb.inv_freq", List.of(2L), new float[] {1, 0.5f});
    for (int layer = 0; layer < layers; layer++) {
      String from = "model.layers." + layer + ".";
      String to = "transformer.encoder.layers." + layer + ".";
      copy(from + "input_layernorm.weight", to + "input_layernorm.weight");
      copy(from + "post_attention_layernorm.weight", to + "post_attention_layernorm.weight");
      copy(from + "self_attn.o_proj.weight", to + "self_attention.dense.weight");
      copy(from + "mlp.gate_up_proj.weight", to + "mlp.dense_h_to_4h.weight");
      copy(from + "mlp.down_proj.weight", to + "mlp.dense_4h_to_h.weight");
      fuse(from, to + "self_attention.query_key_value.weight", ".weight");
      if (config.path("attention_bias").asBoolean()) {
        fuse(from, to + "self_attention.query_key_value.bias", ".bias");
      }
    }
    copy("model.norm.weight", "transformer.encoder.final_layernorm.weight");
    boolean tied = !source.names().contains("lm_head.weight");
    copy(tied ? "model.embed_tokens.weight" : "lm_head.weight", "transformer.output_layer.weight");
  }

  private void copy(String from, String to) {
    write(to, source.dtype(from), source.shape(from), values(source.matrix(from)));
  }

  /** Without loss: FP16 becomes F32, as F32 stays. */
  private void write(String name, StoredDtype stored, List<Long> shape, float[] values) {
    if (stored == StoredDtype.BF16) {
      target.bf16(name, shape, values);
    } else {
      target.f32(name, shape, values);
    }
  }

  private void fuse(String layer, String to, String suffix) {
    List<float[]> parts = new ArrayList<>();
    long rows = 0;
    List<Long> shape = List.of();
    for (String projection : List.of("q_proj", "k_proj", "v_proj")) {
      String name = layer + "self_attn." + projection + suffix;
      parts.add(values(source.matrix(name)));
      shape = new ArrayList<>(source.shape(name));
      rows += shape.get(0);
    }
    shape.set(0, rows);
    int size = parts.stream().mapToInt(part -> part.length).sum();
    float[] all = new float[size];
    int at = 0;
    for (float[] part : parts) {
      System.arraycopy(part, 0, all, at, part.length);
      at += part.length;
    }
    write(to, source.dtype(layer + "self_attn.q_proj" + suffix), shape, all);
  }

  /** All elements of a matrix. */
  static float[] values(HostMatrix matrix) {
    float[] values = new float[Math.toIntExact(matrix.rows() * matrix.cols())];
    matrix.read(0, Math.toIntExact(matrix.rows()), values, 0);
    return values;
  }
}
