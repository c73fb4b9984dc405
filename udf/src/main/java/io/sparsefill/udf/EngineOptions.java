package io.sparsefill.udf;

import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.model.RopeFrequencies;
import java.io.Serializable;
import java.util.Set;

/**
 * Everything that {@link Engine#open} needs; travels from the driver to the executors.
 *
 * @param model folder of the checkpoint, readable on every executor
 * @param backend {@code auto}, {@code cpu} or {@code cuda}
 * @param weights {@code resident} or {@code stream}
 * @param attention {@code --attention}: a word of {@link
 *     io.sparsefill.kernels.attention.AttentionMode}, and its sizes
 * @param patternsJson content of MInference's pattern file, for modes that take a pattern for each
 *     head, or null for the default pattern on every head
 * @param emit what is computed
 * @param lastPositions N, how many of the last positions give logits
 * @param ropeFrequencies precision of the rotary frequencies
 * @param kvDtype element type of KV blocks
 * @param blockTokens tokens of a KV block
 * @param threads CPU threads of one pre-fill
 */
public record EngineOptions(
    String model,
    String backend,
    String weights,
    String attention,
    String patternsJson,
    Set<Emit> emit,
    int lastPositions,
    RopeFrequencies ropeFrequencies,
    KvDtype kvDtype,
    int blockTokens,
    int threads)
    implements Serializable {
  /** Checks the numbers. */
  public EngineOptions {
    if (lastPositions < 1 || blockTokens < 1 || threads < 1) {
      throw new IllegalArgumentException(
          "Cannot pre-fill with %d last positions, blocks of %d tokens and %d threads: each must be at least 1"
              .formatted(lastPositions, blockTokens, threads));
    }
    emit = Set.copyOf(emit);
  }

  /**
   * Whether each pre-fill reads the layers' weights as it goes.
   *
   * @throws IllegalArgumentException for an unknown word of {@code --weights}
   */
  boolean streams() {
    return switch (weights) {
      case "resident" -> false;
      case "stream" -> true;
      default ->
          throw new IllegalArgumentException(
              "Unknown weights mode '" + weights + "': accepted are resident and stream");
    };
  }
}
