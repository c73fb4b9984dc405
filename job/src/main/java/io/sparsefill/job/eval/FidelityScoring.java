package io.sparsefill.job.eval;

import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.udf.DeviceLost;
import io.sparsefill.udf.EngineLease;
import io.sparsefill.udf.PrefillResult;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compares modes with dense attention on a document: the next token's distribution at some
 * positions, from one pre-fill of each, and each layer's attention by itself.
 */
final class FidelityScoring {
  private static final Logger log = LoggerFactory.getLogger(FidelityScoring.class);

  private final EvalJob job;
  private final FidelityTask.Asked asked;

  FidelityScoring(EvalJob job, FidelityTask.Asked asked) {
    this.job = job;
    this.asked = asked;
  }

  /** What one pre-fill says at the positions. */
  @SuppressWarnings("ArrayRecordComponent") // a carrier of results, never compared
  private record Seen(float[][] logits, PrefillResult prefill) {}

  /**
   * Compares, and adds rows.
   *
   * @throws InterruptedException if the thread is interrupted
   * @throws DeviceLost if the GPU can no longer be used; the task must fail, not the document
   */
  void score(TokenizedDocument document, List<EvalMode> modes, UnitResult result)
      throws InterruptedException {
    if (document.status() == DocumentStatus.FAILED) {
      modes.forEach(mode -> result.fidelity().add(row(document, mode, null, document.error())));
      return;
    }
    try {
      int[] positions = positions(document, asked.positions(), job.seed());
      Seen dense = see(asked.dense(), document, positions);
      LayerErrors errors;
      try (ModeEngines engine = ModeEngines.claim(asked.dense().measuring())) {
        errors = new LayerErrors(document, modes, engine.lease().config());
        engine.lease().observe(document.tokenIds(), errors);
      }
      for (EvalMode mode : modes) {
        compare(document, positions, mode, dense, errors.of(mode), result);
      }
    } catch (InterruptedException | DeviceLost e) {
      throw e;
    } catch (Exception e) { // of the dense side: there is nothing to compare with
      log.warn("Cannot compare modes on {}", document.docId(), e);
      modes.forEach(mode -> result.fidelity().add(row(document, mode, null, said(e))));
    }
  }

  private void compare(
      TokenizedDocument document,
      int[] positions,
      EvalMode mode,
      Seen dense,
      List<LayerRow> layers,
      UnitResult result)
      throws InterruptedException {
    try {
      boolean same = mode.name().equals(asked.dense().name());
      Seen found = same ? dense : see(mode, document, positions);
      result.fidelity().add(row(document, mode, score(dense, found, layers), null));
      result.layers().addAll(layers);
    } catch (InterruptedException | DeviceLost e) {
      throw e;
    } catch (Exception e) {
      log.warn("Cannot compare {} on {}", mode.name(), document.docId(), e);
      result.fidelity().add(row(document, mode, null, said(e)));
    }
  }

  private static String said(Exception e) {
    return e.getMessage() == null ? e.toString() : e.getMessage();
  }

  private static FidelityRow row(
      TokenizedDocument document, EvalMode mode, FidelityRow.Score score, String error) {
    return new FidelityRow(
        document.docId(),
        document.contentSha256(),
        document.tokenIds().length,
        mode.name(),
        mode.digest(),
        score,
        error);
  }

  private static Seen see(EvalMode mode, TokenizedDocument document, int[] positions)
      throws Exception {
    try (ModeEngines engine = ModeEngines.claim(mode.measuring())) {
      EngineLease lease = engine.lease();
      return lease.prefillKeeping(
          document.tokenIds(),
          null,
          1,
          cache -> new Seen(cache.documentLogits(positions), cache.prefill()));
    }
  }

  /** The same for a document and seed on every machine: drawn ones in order, then the last. */
  static int[] positions(TokenizedDocument document, int count, long seed) {
    int last = document.tokenIds().length - 1;
    TreeSet<Integer> drawn = new TreeSet<>();
    SplittableRandom draws = new SplittableRandom(seed * 31 + document.docId().hashCode());
    if (count >= last) {
      for (int p = 0; p < last; p++) {
        drawn.add(p);
      }
    }
    while (drawn.size() < Math.min(count, last)) {
      drawn.add(draws.nextInt(last));
    }
    drawn.add(last);
    return drawn.stream().mapToInt(p -> p).toArray();
  }

  private static FidelityRow.Score score(Seen dense, Seen mode, List<LayerRow> layers) {
    int agreed = 0;
    double sum = 0;
    double most = 0;
    int last = dense.logits().length - 1;
    for (int i = 0; i <= last; i++) {
      agreed += likeliest(dense.logits()[i]) == likeliest(mode.logits()[i]) ? 1 : 0;
      double divergence = divergence(dense.logits()[i], mode.logits()[i]);
      sum += divergence;
      most = Math.max(most, divergence);
    }
    return new FidelityRow.Score(
        last + 1,
        agreed,
        likeliest(dense.logits()[last]) == likeliest(mode.logits()[last]),
        divergence(dense.logits()[last], mode.logits()[last]),
        sum / (last + 1),
        most,
        nll(mode.prefill()),
        layers.stream().mapToDouble(LayerRow::error).average().orElse(Double.NaN),
        layers.stream().mapToDouble(LayerRow::recall).average().orElse(Double.NaN),
        mode.prefill().density(),
        mode.prefill().seconds(),
        mode.prefill().device());
  }

  /** A document of one token has no likelihood. */
  private static double nll(PrefillResult prefill) {
    return prefill.tokenCount() == 1 ? 0 : prefill.meanNll();
  }

  /** Index of the greatest; of equal ones the smallest. */
  static int likeliest(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      best = logits[i] > logits[best] ? i : best;
    }
    return best;
  }

  /** KL divergence from p to q in nats: sum of p (log p - log q), of their softmax. */
  static double divergence(float[] p, float[] q) {
    double logSumP = logSum(p);
    double logSumQ = logSum(q);
    double sum = 0;
    for (int i = 0; i < p.length; i++) {
      double logP = p[i] - logSumP;
      sum += Math.exp(logP) * (logP - (q[i] - logSumQ));
    }
    return Math.max(0, sum); // equal ones may differ in the last digit
  }

  private static double logSum(float[] logits) {
    double most = logits[likeliest(logits)];
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - most);
    }
    return most + Math.log(sum);
  }
}
