package io.sparsefill.udf.sql;

import io.sparsefill.udf.Emit;
import io.sparsefill.udf.TopTokens;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.api.java.UDF1;

/**
 * {@code prefill_logits(text)}: what the model expects after a text. A struct {@code token_count
 * int, top array<struct<id int, token string, logprob double>>}: tokens that were pre-filled, and
 * the {@code spark.sparsefill.top-k} most likely next tokens with their natural-log probabilities,
 * best first. {@code top} is null for a text without tokens; the whole is null for null.
 */
public class PrefillLogits extends TextFunction<PrefillLogits.Result> implements UDF1<String, Row> {
  private static final long serialVersionUID = 1;

  /** For Spark. */
  public PrefillLogits() {
    super("prefill_logits");
  }

  /** The struct. */
  record Result(int tokenCount, List<Token> top) {}

  /** An entry of {@code top}. */
  record Token(int id, String text, double logProbability) {}

  @Override
  Result compute(Call call, String text) throws Exception {
    int[] tokens = call.tokens(text);
    if (tokens == null) {
      return null;
    }
    if (tokens.length == 0) {
      return new Result(0, null);
    }
    float[][] logits = call.prefill(Emit.LOGITS, tokens).lastLogits(); // [1][V]
    TopTokens best = TopTokens.of(logits[0], call.settings().topK(), tokens.length - 1);
    List<Token> top = new ArrayList<>();
    for (int i = 0; i < best.ids().length; i++) {
      int id = best.ids()[i];
      top.add(new Token(id, call.token(id), best.logProbabilities()[i]));
    }
    return new Result(tokens.length, top);
  }

  @Override
  public Row call(String text) {
    Result result = of(text);
    return result == null ? null : RowFactory.create(result.tokenCount(), rows(result.top()));
  }

  private static Row[] rows(List<Token> top) {
    return top == null
        ? null
        : top.stream()
            .map(token -> RowFactory.create(token.id(), token.text(), token.logProbability()))
            .toArray(Row[]::new);
  }
}
