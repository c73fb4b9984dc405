package io.sparsefill.job.eval;

import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.EngineOptions;
import java.io.Serializable;
import java.util.Set;

/**
 * An attention mode under test.
 *
 * @param name as {@code --attention} takes it
 * @param digest of every head's pattern
 * @param keepsLines whether it takes the lines of an earlier document
 * @param answering how its engine is opened for tasks with answers
 * @param measuring the same for perplexity
 */
record EvalMode(
    String name,
    String digest,
    boolean keepsLines,
    EngineOptions answering,
    EngineOptions measuring)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  /** Size of KV blocks, none of which are emitted. */
  private static final int BLOCK_TOKENS = 256;

  /**
   * A mode on a model.
   *
   * @param folder of the checkpoint
   * @param options whose backend is decided
   * @param patternsJson content of the pattern file if this mode takes one, else null
   * @param threads of one pre-fill
   */
  static EvalMode of(
      String folder, EvalOptions options, AttentionPlan plan, String patternsJson, int threads) {
    return new EvalMode(
        plan.name(),
        plan.digest(),
        plan.keepsLines(),
        engine(folder, options, plan, patternsJson, Emit.LOGITS, threads),
        engine(folder, options, plan, patternsJson, Emit.TOKEN_NLL, threads));
  }

  private static EngineOptions engine(
      String folder,
      EvalOptions options,
      AttentionPlan plan,
      String patternsJson,
      Emit emit,
      int threads) {
    return new EngineOptions(
        folder,
        options.compute().backend(),
        options.compute().weights(),
        plan.name(),
        patternsJson,
        Set.of(emit),
        1,
        options.compute().ropeFrequencies(),
        KvDtype.BF16,
        BLOCK_TOKENS,
        threads);
  }
}
