package io.sparsefill.udf.sql;

import ai.rapids.cudf.ColumnVector;
import ai.rapids.cudf.DType;
import ai.rapids.cudf.HostColumnVector;
import ai.rapids.cudf.HostColumnVector.BasicType;
import ai.rapids.cudf.HostColumnVector.DataType;
import ai.rapids.cudf.HostColumnVector.ListType;
import ai.rapids.cudf.HostColumnVector.StructData;
import ai.rapids.cudf.HostColumnVector.StructType;
import com.nvidia.spark.RapidsUDF;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.api.java.UDF1;

/** {@link PrefillLogits} that also takes a whole column from the RAPIDS Accelerator. */
public final class GpuPrefillLogits extends PrefillLogits implements UDF1<String, Row>, RapidsUDF {
  private static final long serialVersionUID = 1;

  /** For Spark. */
  public GpuPrefillLogits() {}

  @Override
  public ColumnVector evaluateColumnar(int numRows, ColumnVector... args) {
    return TextColumn.evaluate(this, numRows, args, type(), GpuPrefillLogits::column);
  }

  private static DataType type() {
    return new StructType(
        true,
        new BasicType(true, DType.INT32),
        new ListType(
            true,
            new StructType(
                true,
                new BasicType(true, DType.INT32),
                new BasicType(true, DType.STRING),
                new BasicType(true, DType.FLOAT64))));
  }

  /** The results as a column of structs. */
  static HostColumnVector column(List<Result> results) {
    List<StructData> structs = new ArrayList<>(results.size());
    for (Result result : results) {
      structs.add(
          result == null ? null : new StructData(result.tokenCount(), entries(result.top())));
    }
    return HostColumnVector.fromStructs(type(), structs);
  }

  private static List<StructData> entries(List<Token> top) {
    return top == null
        ? null
        : top.stream()
            .map(token -> new StructData(token.id(), token.text(), token.logProbability()))
            .toList();
  }
}
