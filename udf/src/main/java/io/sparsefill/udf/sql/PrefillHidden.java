package io.sparsefill.udf.sql;

import io.sparsefill.udf.Emit;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.api.java.UDF1;

/**
 * {@code prefill_hidden(text)}: the hidden state of a text's last token after the model's final
 * norm, as an embedding. An {@code array<float>}; null for null and for a text without tokens.
 */
public class PrefillHidden extends TextFunction<List<Float>> implements UDF1<String, List<Float>> {
  private static final long serialVersionUID = 1;

  /** For Spark. */
  public PrefillHidden() {
    super("prefill_hidden");
  }

  @Override
  List<Float> compute(Call call, String text) throws Exception {
    int[] tokens = call.tokens(text);
    if (tokens == null || tokens.length == 0) {
      return null;
    }
    float[] hidden = call.prefill(Emit.HIDDEN, tokens).lastHidden();
    List<Float> values = new ArrayList<>(hidden.length);
    for (float value : hidden) {
      values.add(value);
    }
    return values;
  }

  @Override
  public List<Float> call(String text) {
    return of(text);
  }
}
