package io.sparsefill.job.run;

import io.sparsefill.job.CostModel;
import io.sparsefill.udf.model.ModelConfig;

/**
 * A first guess of what a document costs, from the model's shape and a nominal speed of one CPU
 * thread. What a run measures in its first waves scales it; only the shape of the curve stays.
 */
final class CostEstimate {
  /** Matrix products of one thread, in FLOP/s; AVX2 and AVX-512 cores reach 40 to 100 GFLOP/s. */
  private static final double LINEAR_RATE = 50e9;

  /** Attention of one thread, in FLOP/s. */
  private static final double ATTENTION_RATE = 15e9;

  /** Rows, files and the start of a pre-fill. */
  private static final double SECONDS_PER_DOCUMENT = 0.02;

  /** Share of the scores that a sparse pattern computes on a long document. */
  private static final double SPARSE_DENSITY = 0.2;

  private CostEstimate() {}

  /** The cost of documents through a model, with so many threads for each. */
  static CostModel of(ModelConfig model, String attention, int threads) {
    double attended = (double) model.heads() * model.headDim();
    double weights =
        (double) model.hiddenSize() * model.qkvRows()
            + attended * model.hiddenSize()
            + 3.0 * model.hiddenSize() * model.ffn();
    double linear = 2 * weights * model.layers();
    // q·k and p·v, two FLOP each, over half of the square.
    double quadratic = 2 * attended * model.layers();
    double density = attention.equals("dense") ? 1 : SPARSE_DENSITY;
    return new CostModel(
        linear / (LINEAR_RATE * threads),
        density * quadratic / (ATTENTION_RATE * threads),
        SECONDS_PER_DOCUMENT);
  }
}
