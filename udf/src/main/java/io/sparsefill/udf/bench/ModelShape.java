package io.sparsefill.udf.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.kernels.attention.PatternTable;
import io.sparsefill.kernels.bench.HistogramPattern;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Sizes of a Llama model that {@link MakeModel} writes. */
record ModelShape(int layers, int hidden, int heads, int kvHeads, int headDim, int ffn, int vocab) {
  /** Rotary base of the Llama-3-8B that gradient trained for 262,144 tokens and more. */
  static final double ROPE_THETA = 283461213.0;

  private static final int POSITIONS = 1 << 20;

  /** The shapes that there are, by name. */
  static final Map<String, ModelShape> NAMED =
      Map.of(
          "llama-3-8b", new ModelShape(32, 4096, 32, 8, 128, 14336, 128256),
          "small", new ModelShape(4, 256, 4, 2, 64, 512, 4096));

  ModelShape withLayers(int count) {
    return new ModelShape(count, hidden, heads, kvHeads, headDim, ffn, vocab);
  }

  void writeConfig(Path file) throws IOException {
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("architectures", List.of("LlamaForCausalLM"));
    config.put("model_type", "llama");
    config.put("hidden_size", hidden);
    config.put("intermediate_size", ffn);
    config.put("num_hidden_layers", layers);
    config.put("num_attention_heads", heads);
    config.put("num_key_value_heads", kvHeads);
    config.put("head_dim", headDim);
    config.put("vocab_size", vocab);
    config.put("max_position_embeddings", POSITIONS);
    config.put("rope_theta", ROPE_THETA);
    config.put("rms_norm_eps", 1e-5);
    config.put("hidden_act", "silu");
    config.put("tie_word_embeddings", false);
    config.put("attention_bias", false);
    config.put("mlp_bias", false);
    config.put("torch_dtype", "bfloat16");
    new ObjectMapper().writerWithDefaultPrettyPrinter().writeValue(file.toFile(), config);
  }

  /**
   * Patterns as often as Llama-3-8B-262k has them, dealt to the heads by a seeded shuffle: exactly
   * its numbers for 32 layers of 32 heads, the same shares otherwise.
   */
  PatternTable patterns(long seed) {
    List<PatternTable.Entry> entries = new ArrayList<>();
    int total = HistogramPattern.total();
    int before = 0;
    for (HistogramPattern part : HistogramPattern.LLAMA_3_8B_262K) {
      before += part.heads();
      long end = Math.round((double) before * layers * heads / total);
      while (entries.size() < end) {
        entries.add(
            new PatternTable.Entry(
                "vertical_and_slash", part.pattern().vertical(), part.pattern().slash(), 0));
      }
    }
    Collections.shuffle(entries, new Random(seed));
    List<List<PatternTable.Entry>> table = new ArrayList<>();
    for (int l = 0; l < layers; l++) {
      table.add(entries.subList(l * heads, (l + 1) * heads));
    }
    return PatternTable.of(table);
  }
}
