package io.sparsefill.udf.sql;

import ai.rapids.cudf.ColumnVector;
import ai.rapids.cudf.DType;
import ai.rapids.cudf.HostColumnVector;
import ai.rapids.cudf.HostColumnVector.BasicType;
import com.nvidia.spark.RapidsUDF;
import java.util.List;
import org.apache.spark.sql.api.java.UDF1;

/** {@link TokenCount} that also takes a whole column from the RAPIDS Accelerator. */
public final class GpuTokenCount extends TokenCount implements UDF1<String, Integer>, RapidsUDF {
  private static final long serialVersionUID = 1;

  /** For Spark. */
  public GpuTokenCount() {}

  @Override
  public ColumnVector evaluateColumnar(int numRows, ColumnVector... args) {
    return TextColumn.evaluate(
        this, numRows, args, new BasicType(true, DType.INT32), GpuTokenCount::column);
  }

  /** The results as a column of INT32. */
  static HostColumnVector column(List<Integer> results) {
    return HostColumnVector.fromBoxedInts(results.toArray(Integer[]::new));
  }
}
