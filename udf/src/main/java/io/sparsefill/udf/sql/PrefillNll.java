package io.sparsefill.udf.sql;

import io.sparsefill.udf.Emit;
import io.sparsefill.udf.PrefillResult;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.api.java.UDF1;

/**
 * {@code prefill_nll(text)}: how well the model predicts a text. A struct {@code token_count int,
 * nll double, perplexity double}: tokens that were pre-filled, mean negative log-likelihood (nats)
 * of those after the first, and its exponential. The two are null for a text of less than two
 * tokens; the whole is null for null.
 */
public class PrefillNll extends TextFunction<PrefillNll.Result> implements UDF1<String, Row> {
  private static final long serialVersionUID = 1;

  /** For Spark. */
  public PrefillNll() {
    super("prefill_nll");
  }

  /** The struct. */
  record Result(int tokenCount, Double nll, Double perplexity) {}

  @Override
  Result compute(Call call, String text) throws Exception {
    int[] tokens = call.tokens(text);
    if (tokens == null) {
      return null;
    }
    if (tokens.length < 2) {
      return new Result(tokens.length, null, null);
    }
    PrefillResult prefilled = call.prefill(Emit.NLL, tokens);
    double nll = prefilled.meanNll();
    return new Result(tokens.length, nll, Math.exp(nll));
  }

  @Override
  public Row call(String text) {
    Result result = of(text);
    return result == null
        ? null
        : RowFactory.create(result.tokenCount(), result.nll(), result.perplexity());
  }
}
