package io.sparsefill.udf.model;

import java.util.List;

/**
 * How the files of a family name their tensors; {@code .weight} and {@code .bias} are left out.
 * Names from {@code inputNorm} on stand behind {@code layers + N + "."}.
 *
 * @param embedding token embedding [V, hidden]
 * @param finalNorm norm before the head [hidden]
 * @param lmHead output head [V, hidden]
 * @param layers what stands before the number of a layer
 * @param inputNorm norm before the attention
 * @param qkv query, key and value projection: three tensors, or one with the rows in that order
 * @param qNorm norm of each query head
 * @param kNorm norm of each key head
 * @param output projection after the attention
 * @param postNorm norm before the MLP
 * @param gateUp gate and up projection: two tensors, or one with the gate's rows first
 * @param down projection back to the hidden size
 */
record TensorNames(
    String embedding,
    String finalNorm,
    String lmHead,
    String layers,
    String inputNorm,
    List<String> qkv,
    String qNorm,
    String kNorm,
    String output,
    String postNorm,
    List<String> gateUp,
    String down) {
  private static final List<String> SPLIT_QKV =
      List.of("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj");
  private static final List<String> FUSED_GATE_UP = List.of("mlp.gate_up_proj");

  /** Llama and what follows its names: everything apart. */
  static final TensorNames LLAMA = huggingFace(SPLIT_QKV, List.of("mlp.gate_proj", "mlp.up_proj"));

  /** Phi-3: both projections fused. */
  static final TensorNames PHI3 = huggingFace(List.of("self_attn.qkv_proj"), FUSED_GATE_UP);

  /** GLM-4 as transformers writes it: only the MLP's projections fused. */
  static final TensorNames GLM = huggingFace(SPLIT_QKV, FUSED_GATE_UP);

  /** GLM-4 and ChatGLM as their authors published them. */
  static final TensorNames CHATGLM =
      new TensorNames(
          "transformer.embedding.word_embeddings",
          "transformer.encoder.final_layernorm",
          "transformer.output_layer",
          "transformer.encoder.layers.",
          "input_layernorm",
          List.of("self_attention.query_key_value"),
          "self_attention.q_norm",
          "self_attention.k_norm",
          "self_attention.dense",
          "post_attention_layernorm",
          List.of("mlp.dense_h_to_4h"),
          "mlp.dense_4h_to_h");

  private static TensorNames huggingFace(List<String> qkv, List<String> gateUp) {
    return new TensorNames(
        "model.embed_tokens",
        "model.norm",
        "lm_head",
        "model.layers.",
        "input_layernorm",
        qkv,
        "self_attn.q_norm",
        "self_attn.k_norm",
        "self_attn.o_proj",
        "post_attention_layernorm",
        gateUp,
        "mlp.down_proj");
  }
}
