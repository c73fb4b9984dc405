package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.model.RopeFrequencies;
import java.util.ArrayList;
import java.util.List;

/**
 * Device memory of one pre-fill besides weights and K/V: the hidden states and queries of all T
 * tokens, and one chunk of C tokens for the stages between.
 */
final class Workspace implements AutoCloseable {
  /**
   * Bytes that a block of logits may take: rows are computed in blocks of this size, never [T, V]
   * at once.
   */
  private static final long LOGITS_BYTES = 32L << 20;

  final Tensor hidden; // [T, hidden]
  final Tensor queries; // [T, H * D], overwritten by the attention's output
  final Tensor rope; // [T, 2 * pairs]
  final Tensor normed; // [C, hidden]
  final Tensor projected; // [C, (H + 2G) * D]
  final Tensor keyValue; // [C, 2G * D]
  final Tensor gateUp; // [C, 2 * ffn]
  final Tensor activated; // [C, ffn]
  final Tensor logits; // [R, V] or null
  private final List<Tensor> all = new ArrayList<>();

  Workspace(
      Backend backend,
      ModelConfig config,
      RopeFrequencies frequencies,
      int tokens,
      boolean withLogits) {
    boolean complete = false;
    try {
      int chunk = Math.min(tokens, backend.chunkTokens());
      int heads = config.heads() * config.headDim();
      int keyValues = 2 * config.kvHeads() * config.headDim();
      hidden = allocate(backend, tokens, config.hiddenSize(), "hidden states");
      queries = allocate(backend, tokens, heads, "queries");
      rope = backend.rope(config.rope().table(tokens, frequencies), tokens);
      all.add(rope);
      normed = allocate(backend, chunk, config.hiddenSize(), "normed states of a chunk");
      projected = allocate(backend, chunk, heads + keyValues, "q, k, v of a chunk");
      keyValue = allocate(backend, chunk, keyValues, "k, v of a chunk");
      gateUp = allocate(backend, chunk, 2L * config.ffn(), "gate and up of a chunk");
      activated = allocate(backend, chunk, config.ffn(), "MLP activations of a chunk");
      long rows = Math.max(1, Math.min(LOGITS_BYTES / (4L * config.vocab()), chunk));
      logits = withLogits ? floats(backend, rows, config.vocab(), "logits") : null;
      complete = true;
    } finally {
      if (!complete) {
        close();
      }
    }
  }

  private Tensor allocate(Backend backend, long rows, long cols, String what) {
    Tensor tensor = backend.allocate(rows, cols, what + ", " + rows + " tokens");
    all.add(tensor);
    return tensor;
  }

  private Tensor floats(Backend backend, long rows, long cols, String what) {
    Tensor tensor = backend.allocateFloats(rows, cols, what + ", " + rows + " tokens");
    all.add(tensor);
    return tensor;
  }

  @Override
  public void close() {
    all.forEach(Tensor::close);
  }
}
