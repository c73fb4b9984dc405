package io.sparsefill.udf.sql;

import org.apache.spark.sql.api.java.UDF1;

/**
 * {@code token_count(text)}: how many tokens a text has for the model, special ones included,
 * however many may be pre-filled. An int; null for null.
 */
public class TokenCount extends TextFunction<Integer> implements UDF1<String, Integer> {
  private static final long serialVersionUID = 1;

  /** For Spark. */
  public TokenCount() {
    super("token_count");
  }

  @Override
  final boolean prefills() {
    return false;
  }

  @Override
  Integer compute(Call call, String text) {
    return call.tokenCount(text);
  }

  @Override
  public Integer call(String text) {
    return of(text);
  }
}
