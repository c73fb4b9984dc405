package io.sparsefill.job.run;

import io.sparsefill.job.CostModel;
import io.sparsefill.udf.model.ModelConfig;

/**
 * A first guess of what a document costs, from the model's shape and a nominal speed of the device.
 * What a run measures in its first waves scales it; only the shape of the curve stays.
 *
 * @param cost seconds of a document
 * @param device whose speed that is, for people
 */
record CostEstimate(CostModel cost, String device) {
  /** Matrix products of one thread, in FLOP/s; AVX2 and AVX-512 cores reach 40 to 100 GFLOP/s. */
  private static final double THREAD_LINEAR_RATE = 50e9;

  /** Attention of one thread, in FLOP/s. */
  private static final double THREAD_ATTENTION_RATE = 15e9;

  /** Matrix products of an A100, in FLOP/s: 0.6 of its 312 TFLOP/s in bf16. */
  private static final double GPU_LINEAR_RATE = 190e12;

  /** Attention of an A100, in FLOP/s: about 0.8 of what FlashAttention-2 publishes for it. */
  private static final double GPU_ATTENTION_RATE = 150e12;

  /** Rows, files and the start of a pre-fill. */
  private static final double SECONDS_PER_DOCUMENT = 0.02;

  /** Share of the scores that a sparse pattern computes on a CPU's long document. */
  private static final double SPARSE_DENSITY = 0.2;

  /**
   * Keys that a query of a sparse pattern sees on a GPU's long documents, whatever their length:
   * densities of 0.10 at 128K tokens and 0.015 at a million.
   */
  private static final double SPARSE_KEYS = 7_000;

  /** The cost of documents through a model on CPU threads, so many for each. */
  static CostEstimate onCpu(ModelConfig model, String attention, int threads) {
    double density = attention.equals("dense") ? 1 : SPARSE_DENSITY;
    return new CostEstimate(
        new CostModel(
            linear(model) / (THREAD_LINEAR_RATE * threads),
            density * pair(model) / 2 / (THREAD_ATTENTION_RATE * threads),
            SECONDS_PER_DOCUMENT),
        "CPU threads");
  }

  /** The cost of documents through a model on a GPU, taken for an A100. */
  static CostEstimate onGpu(ModelConfig model, String attention) {
    boolean dense = attention.equals("dense");
    return new CostEstimate(
        new CostModel(
            linear(model) / GPU_LINEAR_RATE
                + (dense ? 0 : SPARSE_KEYS * pair(model) / GPU_ATTENTION_RATE),
            dense ? pair(model) / 2 / GPU_ATTENTION_RATE : 0,
            SECONDS_PER_DOCUMENT),
        "an A100");
  }

  /** Operations of a token in all projections and MLPs: two for each weight. */
  private static double linear(ModelConfig model) {
    double attended = (double) model.heads() * model.headDim();
    double weights =
        (double) model.hiddenSize() * model.qkvRows()
            + attended * model.hiddenSize()
            + 3.0 * model.hiddenSize() * model.ffn();
    return 2 * weights * model.layers();
  }

  /** Operations of a query and a key in all heads of all layers: q·k and p·v, two for each. */
  private static double pair(ModelConfig model) {
    return 4.0 * model.heads() * model.headDim() * model.layers();
  }
}
