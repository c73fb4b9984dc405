package io.sparsefill.job.run;

import io.sparsefill.job.LogitsRow;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.PrefillResult;
import io.sparsefill.udf.TopTokens;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
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
    TopTokens top = logits == null ? null : TopTokens.of(logits, topK, position);
    // A document of one token predicts nothing: its nll is null, not NaN.
    Double nll =
        document != null && emit.contains(Emit.NLL) && document.tokenCount() > 1
            ? document.meanNll()
            : null;
    return new LogitsRow(
        docId,
        position,
        top == null ? null : top.ids(),
        top == null ? null : texts(top.ids(), tokenText),
        top == null ? null : top.logProbabilities(),
        logits != null && fullLogits ? littleEndian(logits) : null,
        nll,
        nll == null ? null : Math.exp(nll),
        document != null && emit.contains(Emit.TOKEN_NLL) ? document.tokenNll() : null,
        document != null && emit.contains(Emit.HIDDEN) ? document.lastHidden() : null);
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
