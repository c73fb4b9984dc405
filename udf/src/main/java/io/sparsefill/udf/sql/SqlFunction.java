package io.sparsefill.udf.sql;

import java.util.Locale;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.expressions.UserDefinedFunction;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataType;

/** The functions: names, result types as Spark's DDL has them, and classes. */
enum SqlFunction {
  TOKEN_COUNT("int", "How many tokens a text has for the model.") {
    @Override
    UDF1<String, ?> byRows() {
      return new TokenCount();
    }
  },
  PREFILL_NLL(
      "struct<token_count: int, nll: double, perplexity: double>",
      "Mean negative log-likelihood (nats) of a text's tokens after the first, and perplexity.") {
    @Override
    UDF1<String, ?> byRows() {
      return new PrefillNll();
    }
  },
  PREFILL_LOGITS(
      "struct<token_count: int, top: array<struct<id: int, token: string, logprob: double>>>",
      "The most likely next tokens after a text.") {
    @Override
    UDF1<String, ?> byRows() {
      return new PrefillLogits();
    }
  },
  PREFILL_HIDDEN("array<float>", "The hidden state of a text's last token after the final norm.") {
    @Override
    UDF1<String, ?> byRows() {
      return new PrefillHidden();
    }
  };

  private final String type;
  private final String usage;

  SqlFunction(String type, String usage) {
    this.type = type;
    this.usage = usage;
  }

  /** The UDF that takes rows. */
  abstract UDF1<String, ?> byRows();

  /** The name in SQL. */
  String sqlName() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** What it gives. */
  DataType type() {
    return DataType.fromDDL(type);
  }

  /** What DESCRIBE FUNCTION says. */
  String usage() {
    return sqlName() + "(text) - " + usage;
  }

  /** The UDF of a kind. */
  UDF1<String, ?> udf(Columns columns) {
    return columns == Columns.ON_GPU ? GpuFunctions.of(this) : byRows();
  }

  /**
   * As Spark has it: deterministic, so that the plugin may halve a batch, and null for null.
   *
   * @param columns which class computes it
   */
  UserDefinedFunction function(Columns columns) {
    return functions.udf(udf(columns), type()).withName(sqlName());
  }
}
