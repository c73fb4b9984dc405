package io.sparsefill.kernels.bench;

import io.sparsefill.kernels.HeadPattern;
import java.util.List;

/**
 * How often a pattern occurs among a model's heads.
 *
 * @param heads heads of the model that have it
 */
public record HistogramPattern(HeadPattern.VerticalSlash pattern, int heads) {
  /**
   * The heads of Llama-3-8B with 262K positions, as MInference's search configured them
   * (minference/configs/Llama_3_8B_Instruct_262k_kv_out_v32_fit_o_best_pattern.json).
   */
  public static final List<HistogramPattern> LLAMA_3_8B_262K =
      List.of(
          of(1000, 6096, 473),
          of(3500, 100, 89),
          of(30, 800, 278),
          of(100, 800, 153),
          of(500, 700, 31));

  private static HistogramPattern of(int vertical, int slash, int heads) {
    return new HistogramPattern(new HeadPattern.VerticalSlash(vertical, slash), heads);
  }

  /** All heads of {@link #LLAMA_3_8B_262K}. */
  public static int total() {
    return LLAMA_3_8B_262K.stream().mapToInt(HistogramPattern::heads).sum();
  }

  /** Share of the model's heads. */
  public double share() {
    return (double) heads / total();
  }
}
