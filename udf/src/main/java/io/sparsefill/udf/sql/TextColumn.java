package io.sparsefill.udf.sql;

import ai.rapids.cudf.ColumnVector;
import ai.rapids.cudf.DType;
import ai.rapids.cudf.HostColumnVector;
import ai.rapids.cudf.HostColumnVector.DataType;
import java.util.List;
import java.util.function.Function;

/**
 * A function over a column on the GPU: the texts come to the host, where they are tokenised, and
 * the results go back as one column. The plugin may run out of memory at either copy and give the
 * same rows again, whole or in halves.
 */
final class TextColumn {
  private TextColumn() {}

  /**
   * Computes a column.
   *
   * @param rows rows of the batch
   * @param columns the one argument; the plugin's, which closes it
   * @param type of the result
   * @param build makes the result on the host, for at least one row
   * @return the caller's to close
   */
  static <R> ColumnVector evaluate(
      TextFunction<R> function,
      int rows,
      ColumnVector[] columns,
      DataType type,
      Function<List<R>, HostColumnVector> build) {
    if (columns.length != 1 || !columns[0].getType().equals(DType.STRING)) {
      throw new IllegalArgumentException(
          "Cannot compute %s of %d columns, the first of type %s: it takes one column of strings"
              .formatted(
                  function.name(),
                  columns.length,
                  columns.length == 0 ? "none" : columns[0].getType()));
    }
    if (rows == 0) {
      return ColumnVector.empty(type);
    }
    List<R> results;
    try (HostColumnVector texts = columns[0].copyToHost()) {
      results = compute(function, rows, texts);
    }
    try (HostColumnVector column = build.apply(results)) {
      return column.copyToDevice();
    }
  }

  /** Computes the results of a column on the host. */
  static <R> List<R> compute(TextFunction<R> function, int rows, HostColumnVector texts) {
    return function.all(rows, row -> texts.isNull(row) ? null : texts.getJavaString(row));
  }
}
