package io.sparsefill.udf;

import io.sparsefill.kernels.Tensor;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.model.RopeFrequencies;

/**
 * Device memory of one pre-fill besides weights and K/V: the hidden states and queries of all P
 * positions (T tokens, and those that may follow a kept cache), and one chunk of C tokens for the
 * stages between.
 */
final class Workspace {
  final Tensor hidden; // [P, hidden]
  final Tensor queries; // [P, H * D], overwritten by the attention's output
  final Tensor rope; // [P, 2 * pairs]
  final Tensor normed; // [C, hidden]
  final Tensor projected; // [C, (H + 2G) * D]
  final Tensor keyValue; // [C, 2G * D]
  final Tensor gateUp; // [C, 2 * ffn]
  final Tensor activated; // [C, ffn]
  final Tensor logits; // [R, V] or null: rows are computed in blocks, never [T, V] at once

  /**
   * Makes the tensors.
   *
   * @param tokens T, whose length decides the rotary frequencies, also of what follows
   * @param positions P, at least T
   */
  Workspace(
      Buffers buffers,
      ModelConfig config,
      RopeFrequencies frequencies,
      int tokens,
      int positions,
      boolean withLogits) {
    int chunk = Math.min(positions, buffers.sizes().chunkTokens());
    int heads = config.heads() * config.headDim();
    int keyValues = 2 * config.kvHeads() * config.headDim();
    hidden = make(buffers, positions, config.hiddenSize(), "hidden states");
    queries = make(buffers, positions, heads, "queries");
    rope = buffers.rope(config.rope().table(tokens, frequencies), positions);
    normed = make(buffers, chunk, config.hiddenSize(), "normed states of a chunk");
    projected = make(buffers, chunk, heads + keyValues, "q, k, v of a chunk");
    keyValue = make(buffers, chunk, keyValues, "k, v of a chunk");
    gateUp = make(buffers, chunk, 2L * config.ffn(), "gate and up of a chunk");
    activated = make(buffers, chunk, config.ffn(), "MLP activations of a chunk");
    long most = buffers.sizes().logitsBytes() / (4L * config.vocab());
    long rows = Math.max(1, Math.min(most, chunk));
    logits =
        withLogits ? buffers.floats(rows, config.vocab(), "logits, " + rows + " tokens") : null;
  }

  private static Tensor make(Buffers buffers, long rows, long cols, String what) {
    return buffers.tensor(rows, cols, what + ", " + rows + " tokens");
  }
}
