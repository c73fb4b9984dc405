package io.sparsefill.udf.model;

import java.nio.file.Path;
import java.util.List;

/**
 * What config.json says about a decoder with pre-norm RMSNorm, grouped-query attention, RoPE and
 * SwiGLU, in one form for all families.
 *
 * @param modelType {@code model_type}: llama, mistral, qwen2, qwen3, phi3, glm or chatglm
 * @param layers L
 * @param hiddenSize width of the residual stream
 * @param heads H, query heads
 * @param kvHeads G, key and value heads; divides H
 * @param headDim D
 * @param ffn width of the MLP, once for the gate and once for the up projection
 * @param vocab V, rows of the embedding and of the head
 * @param normEps epsilon of every RMSNorm
 * @param tiedEmbedding whether the output head is the embedding
 * @param qkvBias whether query, key and value projections have a bias
 * @param qkNorm whether every query and key head has an RMSNorm before RoPE
 * @param rope rotary embedding
 * @param windows for each layer its sliding window in tokens, 0 = none
 * @param bosTokenId {@code bos_token_id}, the first if the file lists several; null if it names
 *     none
 * @param maxPositions longest context that the model is made for
 */
public record ModelConfig(
    String modelType,
    int layers,
    int hiddenSize,
    int heads,
    int kvHeads,
    int headDim,
    int ffn,
    int vocab,
    double normEps,
    boolean tiedEmbedding,
    boolean qkvBias,
    boolean qkNorm,
    RopeConfig rope,
    List<Integer> windows,
    Integer bosTokenId,
    int maxPositions) {
  /** Copies the list of windows. */
  public ModelConfig {
    windows = List.copyOf(windows);
  }

  /**
   * Reads {@code config.json} of a folder, written by either generation of transformers.
   *
   * @throws IllegalArgumentException naming what is missing, unknown or not supported, and what is
   *     accepted
   * @throws java.io.UncheckedIOException if the file cannot be read
   */
  public static ModelConfig read(Path folder) {
    return new ModelConfigReader(ConfigJson.read(folder.resolve("config.json"))).read();
  }

  /** Sliding window of a layer: query q sees keys (q - window, q]; 0 means all keys up to q. */
  public int window(int layer) {
    return windows.get(layer);
  }

  /** Factor on q·k: 1/sqrt(D). */
  public float attentionScale() {
    return (float) (1 / Math.sqrt(headDim));
  }

  /** Rows of the stacked query, key and value projection: (H + 2G) * D. */
  public int qkvRows() {
    return (heads + 2 * kvHeads) * headDim;
  }
}
