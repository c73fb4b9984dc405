package io.sparsefill.job.run;

import io.sparsefill.job.LogitsRow;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.PrefillResult;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.function.IntFunction;

/**
 * Makes the rows of the logits table from one pre-fill's result: log-probabilities of the most
 * likely next tokens at each of the last positions, and on the last one what belongs to the whole
 * document.
 *
 * @param emit what was asked for
 * @param topK entries per row; all of them when the vocabulary is smaller
 * @param fullLogits whether whole rows are stored
 */
record LogitsRows(Set<Emit> emit, int topK, boolean fullLogits) implements java.io.Serializable {

  /**
   * The rows of one document, by position; none when only KV was asked for.
   *
   * @param tokenText text of a token id
   * @throws IllegalStateException if a logit is not a finite number, naming the position
   */
  List<LogitsRow> of(String docId, PrefillResult result, IntFunction<String> tokenText) {
    List<LogitsRow> rows = new ArrayList<>();
    int last = result.tokenCount() - 1;
    if (emit.contains(Emit.LOGITS)) {
      float[][] logits = result.lastLogits(); // [min(N, T)][V]
      for (int i = 0; i < logits.length; i++) {
        int position = last - (logits.length - 1 - i);
        rows.add(row(docId, position, logits[i], position == last ? result : null, tokenText));
      }
    } else if (emit.contains(Emit.NLL)
        || emit.contains(Emit.TOKEN_NLL)
        || emit.contains(Emit.HIDDEN)) {
      rows.add(row(docId, last, null, result, tokenText));
    }
    return rows;
  }

  private LogitsRow row(
      String docId,
      int position,
      float[] logits,
      PrefillResult document,
      IntFunction<String> tokenText) {
    int[] ids = logits == null ? null : best(logits, topK);
    // A document of one token predicts nothing: its nll is null, not NaN.
    Double nll =
        document != null && emit.contains(Emit.NLL) && document.tokenCount() > 1
            ? document.meanNll()
            : null;
    return new LogitsRow(
        docId,
        position,
        ids,
        ids == null ? null : texts(ids, tokenText),
        ids == null ? null : logProbabilities(logits, ids, position),
        logits != null && fullLogits ? littleEndian(logits) : null,
        nll,
        nll == null ? null : Math.exp(nll),
        document != null && emit.contains(Emit.TOKEN_NLL) ? document.tokenNll() : null,
        document != null && emit.contains(Emit.HIDDEN) ? document.lastHidden() : null);
  }

  /** Ids of the {@code k} largest logits, largest first; of equal ones the smaller id first. */
  static int[] best(float[] logits, int k) {
    PriorityQueue<Integer> kept =
        new PriorityQueue<>(
            (a, b) ->
                logits[a] != logits[b]
                    ? Float.compare(logits[a], logits[b])
                    : Integer.compare(b, a));
    for (int id = 0; id < logits.length; id++) {
      if (kept.size() < k) {
        kept.add(id);
      } else if (logits[id] > logits[kept.peek()]) {
        kept.poll();
        kept.add(id);
      }
    }
    int[] ids = new int[kept.size()];
    for (int i = ids.length - 1; i >= 0; i--) {
      ids[i] = kept.poll();
    }
    return ids;
  }

  /** Log-softmax at some ids, in double, with the maximum taken out first. */
  static double[] logProbabilities(float[] logits, int[] ids, int position) {
    double max = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      if (!Float.isFinite(logit)) {
        throw new IllegalStateException(
            "Cannot take log-probabilities at position "
                + position
                + ": a logit is "
                + logit
                + "; the model's weights or activations overflow");
      }
      max = Math.max(max, logit);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - max);
    }
    double logSum = max + Math.log(sum);
    double[] probabilities = new double[ids.length];
    for (int i = 0; i < ids.length; i++) {
      probabilities[i] = logits[ids[i]] - logSum;
    }
    return probabilities;
  }

  private static String[] texts(int[] ids, IntFunction<String> tokenText) {
    String[] texts = new String[ids.length];
    for (int i = 0; i < ids.length; i++) {
      texts[i] = tokenText.apply(ids[i]);
    }
    return texts;
  }

  private static byte[] littleEndian(float[] values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Math.multiplyExact(values.length, Float.BYTES))
            .order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return bytes.array();
  }
}
