package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.Tensor;
import java.util.Arrays;

/** Final norm and output head: from hidden states to log-likelihoods, logits and single states. */
final class Scores {
  private final Backend backend;
  private final ModelTensors model;
  private final Workspace work;
  private final float eps;

  Scores(Backend backend, ModelTensors model, Workspace work) {
    this.backend = backend;
    this.model = model;
    this.work = work;
    this.eps = (float) model.config().normEps();
  }

  /**
   * Negative log-likelihood of token t + 1 at index t [T - 1]; logits exist for one block of rows
   * at a time.
   */
  float[] nll(int[] tokens) throws InterruptedException {
    float[] result = new float[tokens.length - 1];
    for (Chunk block : Chunk.of(0, result.length, (int) work.logits.rows())) {
      backend.nll(logits(block), tokens, block.from() + 1, result, block.from());
    }
    for (int t = 0; t < result.length; t++) {
      if (!Float.isFinite(result[t])) {
        throw new ArithmeticException(
            "The log-likelihood of token %d is not finite: %s".formatted(t + 1, result[t]));
      }
    }
    return result;
  }

  /** Logits at positions [from, to), as [to - from][V]. */
  float[][] logits(int from, int to) throws InterruptedException {
    float[][] result = new float[to - from][];
    for (Chunk block : Chunk.of(from, to, (int) work.logits.rows())) {
      float[] rows = backend.read(logits(block));
      int vocab = rows.length / block.count();
      for (int r = 0; r < block.count(); r++) {
        float[] row = Arrays.copyOfRange(rows, r * vocab, (r + 1) * vocab);
        checkFinite(row, "logits", block.from() + r);
        result[block.from() + r - from] = row;
      }
    }
    return result;
  }

  /** The hidden state at a position, after the final norm. */
  float[] hidden(int position) {
    Tensor normed = work.normed.rows(0, 1);
    backend.rmsNorm(work.hidden.rows(position, 1), model.finalNorm(), eps, normed);
    float[] row = backend.read(normed);
    checkFinite(row, "hidden state", position);
    return row;
  }

  private Tensor logits(Chunk block) {
    Tensor normed = block.first(work.normed);
    Tensor logits = block.first(work.logits);
    backend.rmsNorm(block.of(work.hidden), model.finalNorm(), eps, normed);
    backend.linear(normed, model.head(), null, logits, false);
    return logits;
  }

  private static void checkFinite(float[] row, String what, int position) {
    for (int i = 0; i < row.length; i++) {
      if (!Float.isFinite(row[i])) {
        throw new ArithmeticException(
            "The %s at token %d is not finite: element %d is %s"
                .formatted(what, position, i, row[i]));
      }
    }
  }
}
