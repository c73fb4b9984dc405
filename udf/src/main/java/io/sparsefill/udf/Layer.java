package io.sparsefill.udf;

import io.sparsefill.kernels.AttentionCost;
import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.udf.model.ModelConfig;
import java.util.List;
import java.util.function.Consumer;

/**
 * One decoder layer over a whole document, or over what follows the keys and values of its begin,
 * in three stages: {@link #project} makes queries, keys and values, {@link #attend} replaces the
 * queries by the attention's output, {@link #feedForward} adds the attention and the MLP to the
 * hidden states. The linear stages go through the tokens chunk by chunk, the attention over all of
 * them.
 */
final class Layer {
  private final Backend backend;
  private final ModelConfig config;
  private final LayerTensors weights;
  private final AttentionShape shape;
  private final Workspace work;

  Layer(
      Backend backend,
      ModelConfig config,
      LayerTensors weights,
      AttentionShape shape,
      Workspace work) {
    this.backend = backend;
    this.config = config;
    this.weights = weights;
    this.shape = shape;
    this.work = work;
  }

  /**
   * Norm, projection, QK norm and RoPE.
   *
   * @param from first token whose keys and values are needed; those before it are there
   * @param firstQuery first token whose query is needed; before it only keys and values are
   *     computed
   * @param keys [T, G * D], gets its rows after RoPE
   * @param values [T, G * D]
   */
  void project(int from, int firstQuery, Tensor keys, Tensor values) throws InterruptedException {
    long queryRows = (long) shape.heads() * shape.headDim();
    Tensor keyValueWeights = weights.qkv.rows(queryRows, 2L * shape.kvHeads() * shape.headDim());
    for (Chunk chunk : Chunk.of(from, firstQuery, backend.sizes().chunkTokens())) {
      projectChunk(chunk, keyValueWeights, weights.kvBias, work.keyValue, null, keys, values);
    }
    for (Chunk chunk : Chunk.of(firstQuery, shape.tokens(), backend.sizes().chunkTokens())) {
      Tensor queries = chunk.of(work.queries);
      projectChunk(chunk, weights.qkv, weights.qkvBias, work.projected, queries, keys, values);
    }
  }

  private void projectChunk(
      Chunk chunk,
      Tensor matrix,
      Tensor bias,
      Tensor buffer,
      Tensor queries,
      Tensor keys,
      Tensor values) {
    Tensor normed = chunk.first(work.normed);
    Tensor projected = chunk.first(buffer);
    backend.rmsNorm(chunk.of(work.hidden), weights.inputNorm, (float) config.normEps(), normed);
    backend.linear(normed, matrix, bias, projected, false);
    backend.splitAndRotate(
        projected,
        shape,
        chunk.from(),
        work.rope,
        config.rope().interleaved(),
        weights.qkNorm,
        queries,
        chunk.of(keys),
        chunk.of(values));
  }

  /**
   * Index and attention, for the query tiles from {@code firstTile} on.
   *
   * @param indexed sees the index before it closes
   * @return what it costs, for the document's accounting; reading it may wait for the device
   */
  AttentionCost attend(
      List<HeadPattern> patterns,
      boolean dispatch,
      int firstTile,
      Tensor keys,
      Tensor values,
      Consumer<AttentionIndex> indexed) {
    Tensor queries = work.queries.rows(0, shape.tokens());
    try (AttentionIndex index =
        backend.index(patterns, shape, dispatch, firstTile, queries, keys)) {
      backend.attention(index, shape, queries, keys, values, queries);
      indexed.accept(index);
      return index.cost();
    }
  }

  /**
   * Output projection and MLP with their residuals, for the tokens from {@code from} on.
   *
   * @param attended the attention's output [T, H * D]
   */
  void feedForward(int from, Tensor attended) throws InterruptedException {
    for (Chunk chunk : Chunk.of(from, shape.tokens(), backend.sizes().chunkTokens())) {
      Tensor hidden = chunk.of(work.hidden);
      Tensor normed = chunk.first(work.normed);
      Tensor gateUp = chunk.first(work.gateUp);
      Tensor activated = chunk.first(work.activated);
      backend.linear(chunk.of(attended), weights.output, null, hidden, true);
      backend.rmsNorm(hidden, weights.postNorm, (float) config.normEps(), normed);
      backend.linear(normed, weights.gateUp, null, gateUp, false);
      backend.siluMul(gateUp, activated);
      backend.linear(activated, weights.down, null, hidden, true);
    }
  }
}
