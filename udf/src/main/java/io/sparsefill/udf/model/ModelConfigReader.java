package io.sparsefill.udf.model;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Turns config.json into a {@link ModelConfig}. What is absent takes the default that the family
 * has in transformers; what would change the numbers and is not computed here is an error, never
 * ignored.
 */
final class ModelConfigReader {
  private static final Logger LOG = LoggerFactory.getLogger(ModelConfigReader.class);

  /** Features that no family here computes, with the values that mean "off". */
  private static final Set<String> MUST_BE_OFF =
      Set.of(
          "quantization_config",
          "quantization_bit",
          "pre_seq_len",
          "mlp_bias",
          "attention_multiplier",
          "attn_logit_softcapping",
          "final_logit_softcapping",
          "attention_chunk_size",
          "no_rope_layers",
          "num_experts",
          "num_local_experts",
          "n_routed_experts",
          "moe_intermediate_size",
          "use_qk_norm",
          "qk_layernorm",
          "clip_qkv",
          "alibi",
          "use_mrope",
          "parallel_attn",
          "use_parallel_residual",
          "add_bias_linear",
          "apply_residual_connection_post_layernorm");

  /** Factors on activations (Granite and the like), which must be 1. */
  private static final Set<String> MUST_BE_ONE =
      Set.of("embedding_multiplier", "residual_multiplier", "logits_scaling", "logit_scale");

  private static final Set<String> DTYPES = Set.of("bfloat16", "float16", "float32");

  private final ConfigJson config;
  private final ModelFamily family;

  ModelConfigReader(ConfigJson config) {
    this.config = config;
    this.family = ModelFamily.of(config);
  }

  ModelConfig read() {
    refuseWhatIsNotComputed();
    boolean original = family == ModelFamily.CHATGLM;
    int layers = layers();
    int hidden = config.size("hidden_size");
    int heads = config.size("num_attention_heads");
    int kvHeads = kvHeads(heads);
    int headDim = headDim(hidden, heads);
    int maxPositions = config.size(original ? "seq_length" : "max_position_embeddings");
    checkShapes(heads, kvHeads, headDim);
    return new ModelConfig(
        family.modelType(),
        layers,
        hidden,
        heads,
        kvHeads,
        headDim,
        config.size(original ? "ffn_hidden_size" : "intermediate_size"),
        original ? config.size("padded_vocab_size") : config.size("vocab_size"),
        config.positive(original ? "layernorm_epsilon" : "rms_norm_eps"),
        config.flag("tie_word_embeddings", false),
        qkvBias(),
        family == ModelFamily.QWEN3,
        new RopeReader(config, family, headDim, maxPositions).read(),
        windows(layers),
        bosTokenId(),
        maxPositions);
  }

  private int layers() {
    if (family != ModelFamily.CHATGLM) {
      return config.size("num_hidden_layers");
    }
    int layers = config.size("num_layers");
    if (config.size("num_hidden_layers", layers) != layers) {
      throw config.wrong("num_hidden_layers", "the same as num_layers, " + layers);
    }
    return layers;
  }

  private int kvHeads(int heads) {
    if (family == ModelFamily.CHATGLM) {
      return config.flag("multi_query_attention", false)
          ? config.size("multi_query_group_num")
          : heads;
    }
    // Configs from before GQA leave it out, or say null; the newer families' defaults are other
    // numbers
    boolean mayBeAbsent = family == ModelFamily.LLAMA || family == ModelFamily.PHI3;
    if (!mayBeAbsent && !config.mentions("num_key_value_heads")) {
      throw config.missing("num_key_value_heads");
    }
    return config.size("num_key_value_heads", heads);
  }

  private int headDim(int hidden, int heads) {
    switch (family) {
      case CHATGLM:
        return config.size("kv_channels");
      case QWEN3:
      case GLM:
        return config.size("head_dim", 128);
      default:
        if (!config.has("head_dim") && hidden % heads != 0) {
          throw config.error(
              "hidden_size %d is not a multiple of num_attention_heads %d, and there is no head_dim"
                  .formatted(hidden, heads));
        }
        return config.size("head_dim", Math.max(1, hidden / heads));
    }
  }

  private void checkShapes(int heads, int kvHeads, int headDim) {
    if (heads % kvHeads != 0) {
      throw config.error(
          "%d query heads cannot share %d key-value heads evenly".formatted(heads, kvHeads));
    }
    if (headDim % 2 != 0) {
      throw config.error("a head has %d dimensions; RoPE needs an even number".formatted(headDim));
    }
    if ((heads + 2L * kvHeads) * headDim > Integer.MAX_VALUE) {
      throw config.error(
          "%d query and %d key-value heads of %d dimensions are too many"
              .formatted(heads, kvHeads, headDim));
    }
  }

  private boolean qkvBias() {
    switch (family) {
      case QWEN2:
        return true;
      case GLM:
        return config.flag("attention_bias", true);
      case CHATGLM:
        return config.flag("add_qkv_bias", false);
      default:
        return false;
    }
  }

  private void refuseWhatIsNotComputed() {
    for (String key : MUST_BE_OFF) {
      JsonNode value = config.node(key);
      boolean off =
          !config.has(key)
              || (value.isBoolean() && !value.asBoolean())
              || (value.isNumber() && value.asDouble() == 0)
              || (value.isContainerNode() && value.isEmpty());
      if (!off) {
        throw config.wrong(key, "absent or off, because it is not computed");
      }
    }
    for (String key : MUST_BE_ONE) {
      if (config.number(key, 1) != 1) {
        throw config.wrong(key, "absent or 1, because it is not computed");
      }
    }
    // Llama and Qwen3 would put a bias on the output projection as well
    if ((family == ModelFamily.LLAMA || family == ModelFamily.QWEN3)
        && config.flag("attention_bias", false)) {
      throw config.wrong("attention_bias", "false for " + family.modelType());
    }
    if (family == ModelFamily.CHATGLM) {
      for (String key : List.of("rmsnorm", "post_layer_norm")) {
        if (!config.flag(key, true)) {
          throw config.wrong(key, "true");
        }
      }
    }
    checkActivation();
    checkDtype();
    if (config.has("dual_chunk_attention_config")) {
      LOG.warn(
          "dual_chunk_attention_config of {} is not computed, as in transformers: beyond its original length the"
              + " numbers differ from engines that do",
          family.modelType());
    }
  }

  private void checkActivation() {
    for (String key : List.of("hidden_act", "hidden_activation")) {
      String activation = config.text(key, "silu");
      if (!Set.of("silu", "swish", "swiglu").contains(activation)) {
        throw config.wrong(key, "silu, swish, swiglu");
      }
    }
  }

  private void checkDtype() {
    for (String key : List.of("dtype", "torch_dtype")) {
      String dtype = config.text(key, "float32");
      if (!DTYPES.contains(dtype.startsWith("torch.") ? dtype.substring(6) : dtype)) {
        throw config.wrong(key, "bfloat16, float16, float32");
      }
    }
  }

  private List<Integer> windows(int layers) {
    List<String> types = config.textsOrNull("layer_types");
    if (types != null && types.size() != layers) {
      throw config.error(
          "layer_types has %d entries for %d layers".formatted(types.size(), layers));
    }
    int window = window();
    List<Integer> windows = new ArrayList<>(Collections.nCopies(layers, window));
    if (!family.windowPerLayer()) {
      checkLayerTypes(types, window);
      return windows;
    }
    int firstWindowed = 28; // transformers' default of max_window_layers
    if (config.has("max_window_layers")) {
      firstWindowed = (int) config.number("max_window_layers");
    }
    for (int layer = 0; layer < layers; layer++) {
      boolean full = types == null ? layer < firstWindowed : isFull(types.get(layer));
      if (full) {
        windows.set(layer, 0);
      } else if (window == 0 && types != null) {
        throw config.error(
            "layer %d is of type %s, but use_sliding_window is off or there is no sliding_window"
                .formatted(layer, types.get(layer)));
      }
    }
    return windows;
  }

  /** The window of the layers that have one; 0 = none. */
  private int window() {
    switch (family) {
      case MISTRAL:
      case PHI3:
        // transformers' default for Mistral is 4096 when the key is absent, and null means none
        int absent = family == ModelFamily.MISTRAL && !config.mentions("sliding_window") ? 4096 : 0;
        return config.size("sliding_window", absent);
      case QWEN2:
      case QWEN3:
        if (!config.flag("use_sliding_window", false)) {
          return 0;
        }
        return config.size("sliding_window", config.mentions("sliding_window") ? 0 : 4096);
      default:
        return 0;
    }
  }

  private boolean isFull(String type) {
    if (!type.equals("full_attention") && !type.equals("sliding_attention")) {
      throw config.error(
          "layer type '" + type + "' is not known; accepted: full_attention, sliding_attention");
    }
    return type.equals("full_attention");
  }

  /**
   * Families with one window for all layers may repeat it in layer_types, but not say otherwise.
   */
  private void checkLayerTypes(List<String> types, int window) {
    if (types != null) {
      for (String type : types) {
        if (isFull(type) != (window == 0)) {
          throw config.error(
              "layer_types has '%s', but every layer of this %s has %s"
                  .formatted(
                      type,
                      family.modelType(),
                      window == 0 ? "full attention" : "a window of " + window));
        }
      }
    }
  }

  private Integer bosTokenId() {
    JsonNode value = config.node("bos_token_id");
    if (value.isArray() && !value.isEmpty()) {
      value = value.get(0);
    }
    if (value.isMissingNode() || value.isNull()) {
      return null;
    }
    if (!value.isIntegralNumber() || !value.canConvertToInt()) {
      throw config.wrong("bos_token_id", "a token id, a list of them, or null");
    }
    return value.asInt();
  }
}
