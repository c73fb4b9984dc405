package io.sparsefill.udf;

import io.sparsefill.kernels.Tensor;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.model.RopeFrequencies;

/**
 * Device memory of one pre-fill besides weights and K/V: the hidden states and queries of all T
 * tokens, and one chunk of C tokens for the stages between.
 */
final class Workspace {
  final Tensor hidden; // [T, hidden]
  final Tensor queries; // [T, H * D], overwritten by the attention's output
  final Tensor rope; // [T, 2 * pairs]
  final Tensor normed; // [C, hidden]
  final Tensor projected; // [C, (H + 2G) * D]
  final Tensor keyValue; // [C, 2G * D]
  final Tensor gateUp; // [C, 2 * ffn]
  final Tensor activated; // [C, ffn]
  final Tensor logits; // [R, V] or null: rows are computed in blocks, never [T, V] at once

  Workspace(
      Buffers buffers,
      ModelConfig config,
      RopeFrequencies frequencies,
      int tokens,
      boolean withLogits) {
    int chunk = Math.min(tokens, buffers.sizes().chunkTokens());
    int heads = config.heads() * config.headDim();
    int keyValues = 2 * config.kvHeads() * config.headDim();
    hidden = make(buffers, tokens, config.hiddenSize(), "hidden states");
    queries = make(buffers, tokens, heads, "queries");
    rope = buffers.rope(config.rope().table(tokens, frequencies), tokens);
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
