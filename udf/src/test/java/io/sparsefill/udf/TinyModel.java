package io.sparsefill.udf;

import io.sparsefill.udf.model.SafetensorsWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.BiConsumer;

/**
 * A Llama checkpoint of a few thousand random weights, for what does not depend on training: order,
 * memory, errors.
 *
 * @param layers L
 * @param vocab V
 */
record TinyModel(int layers, int vocab) {
  static final int HEADS = 4;
  static final int KV_HEADS = 2;
  static final int HEAD_DIM = 16;

  private static final int HIDDEN = 48;
  private static final int FFN = 80;

  /** Writes config.json and model.safetensors. */
  Path write(Path folder) {
    return write(folder, (name, values) -> {});
  }

  /**
   * Writes config.json and model.safetensors.
   *
   * @param edit may change the values of a tensor, by its name, before they are written
   */
  Path write(Path folder, BiConsumer<String, float[]> edit) {
    SafetensorsWriter writer = new SafetensorsWriter();
    Weights weights = new Weights(writer, edit);
    weights.matrix("model.embed_tokens", vocab, HIDDEN);
    for (int l = 0; l < layers; l++) {
      String layer = "model.layers." + l + ".";
      weights.norm(layer + "input_layernorm");
      weights.matrix(layer + "self_attn.q_proj", HEADS * HEAD_DIM, HIDDEN);
      weights.matrix(layer + "self_attn.k_proj", KV_HEADS * HEAD_DIM, HIDDEN);
      weights.matrix(layer + "self_attn.v_proj", KV_HEADS * HEAD_DIM, HIDDEN);
      weights.matrix(layer + "self_attn.o_proj", HIDDEN, HEADS * HEAD_DIM);
      weights.norm(layer + "post_attention_layernorm");
      weights.matrix(layer + "mlp.gate_proj", FFN, HIDDEN);
      weights.matrix(layer + "mlp.up_proj", FFN, HIDDEN);
      weights.matrix(layer + "mlp.down_proj", HIDDEN, FFN);
    }
    weights.norm("model.norm");
    weights.matrix("lm_head", vocab, HIDDEN);
    try {
      writer.write(folder.resolve("model.safetensors"));
      Files.writeString(folder.resolve("config.json"), config());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return folder;
  }

  private String config() {
    return """
        {"model_type":"llama","hidden_size":%d,"intermediate_size":%d,"num_hidden_layers":%d,
         "num_attention_heads":%d,"num_key_value_heads":%d,"head_dim":%d,"vocab_size":%d,
         "max_position_embeddings":4096,"rms_norm_eps":1e-5,"rope_theta":10000.0,
         "tie_word_embeddings":false}
        """
        .formatted(HIDDEN, FFN, layers, HEADS, KV_HEADS, HEAD_DIM, vocab);
  }

  /** T token ids of this vocabulary, the same at every call. */
  int[] tokens(int count) {
    return new Random(count).ints(count, 0, vocab).toArray();
  }

  /** Tensors whose values follow from their names. */
  private record Weights(SafetensorsWriter writer, BiConsumer<String, float[]> edit) {
    void matrix(String name, int rows, int cols) {
      Random random = new Random(name.hashCode());
      float[] values = new float[rows * cols];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) (random.nextGaussian() * 1.5 / Math.sqrt(cols));
      }
      edit.accept(name, values);
      writer.bf16(name + ".weight", List.of((long) rows, (long) cols), values);
    }

    void norm(String name) {
      float[] values = new float[HIDDEN];
      Arrays.fill(values, 1);
      edit.accept(name, values);
      writer.bf16(name + ".weight", List.of((long) HIDDEN), values);
    }
  }
}
