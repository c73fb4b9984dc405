package io.sparsefill.udf.sql;

import org.apache.spark.sql.api.java.UDF1;

/** The UDFs that take columns; loads only where the RAPIDS Accelerator's classes are there. */
final class GpuFunctions {
  private GpuFunctions() {}

  static UDF1<String, ?> of(SqlFunction function) {
    return switch (function) {
      case TOKEN_COUNT -> new GpuTokenCount();
      case PREFILL_NLL -> new GpuPrefillNll();
      case PREFILL_LOGITS -> new GpuPrefillLogits();
      case PREFILL_HIDDEN -> new GpuPrefillHidden();
    };
  }
}
