package io.sparsefill.job.run;

import io.sparsefill.job.PlannedWave;
import io.sparsefill.udf.Emit;
import java.util.List;

/** Bytes that planned documents will store, before compression. */
final class OutputBytes {
  private OutputBytes() {}

  /** Keys and values of all waves; 0 when they are not emitted. */
  static long kv(CheckedModel model, RunOptions options, List<PlannedWave> waves) {
    if (!options.output().emit().contains(Emit.KV)) {
      return 0;
    }
    long perToken =
        2L
            * model.config().layers()
            * options
                .output()
                .kvDtype()
                .tokenBytes(model.config().kvHeads(), model.config().headDim());
    return perToken * waves.stream().mapToLong(PlannedWave::tokens).sum();
  }

  /** Whole rows of logits of all waves; 0 without {@code --full-logits}. */
  static long logits(CheckedModel model, RunOptions options, List<PlannedWave> waves) {
    if (!options.output().emit().contains(Emit.LOGITS) || !options.output().fullLogits()) {
      return 0;
    }
    long rows =
        waves.stream()
            .flatMap(wave -> wave.bins().stream())
            .flatMap(bin -> bin.documents().stream())
            .mapToLong(
                document -> Math.min(document.tokenCount(), options.output().lastPositions()))
            .sum();
    return rows * model.config().vocab() * Float.BYTES;
  }
}
