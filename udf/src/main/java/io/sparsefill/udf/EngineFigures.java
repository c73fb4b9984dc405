package io.sparsefill.udf;

import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;

/**
 * What the engines of a JVM have done since it started.
 *
 * @param documents that were pre-filled
 * @param failed documents that were not
 * @param tokens of the documents
 * @param prefillSeconds of the documents and of what followed on their caches, without waiting for
 *     the engine
 * @param queuedSeconds in which documents waited for others on the same device
 * @param density share of the causal score tiles that were computed, mean over all tokens; 1 before
 *     the first document
 */
public record EngineFigures(
    long documents,
    long failed,
    long tokens,
    double prefillSeconds,
    double queuedSeconds,
    double density) {

  /** Tokens in a second of pre-filling; 0 before the first document. */
  public double tokensPerSecond() {
    return prefillSeconds == 0 ? 0 : tokens / prefillSeconds;
  }

  /** Counts. */
  static final class Tally {
    private final LongAdder documents = new LongAdder();
    private final LongAdder failed = new LongAdder();
    private final LongAdder tokens = new LongAdder();
    private final LongAdder prefillNanos = new LongAdder();
    private final LongAdder queuedNanos = new LongAdder();
    private final DoubleAdder densityTokens = new DoubleAdder();

    void add(PrefillResult result, long queued, long prefill) {
      documents.increment();
      tokens.add(result.tokenCount());
      densityTokens.add(result.density() * result.tokenCount());
      prefillNanos.add(prefill);
      queuedNanos.add(queued);
    }

    void addFailed(long queued) {
      failed.increment();
      queuedNanos.add(queued);
    }

    EngineFigures figures() {
      long counted = tokens.sum();
      return new EngineFigures(
          documents.sum(),
          failed.sum(),
          counted,
          prefillNanos.sum() / 1e9,
          queuedNanos.sum() / 1e9,
          counted == 0 ? 1 : densityTokens.sum() / counted);
    }
  }
}
