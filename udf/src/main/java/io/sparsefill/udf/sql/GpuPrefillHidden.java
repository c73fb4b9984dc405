package io.sparsefill.udf.sql;

import ai.rapids.cudf.ColumnVector;
import ai.rapids.cudf.DType;
import ai.rapids.cudf.HostColumnVector;
import ai.rapids.cudf.HostColumnVector.BasicType;
import ai.rapids.cudf.HostColumnVector.DataType;
import ai.rapids.cudf.HostColumnVector.ListType;
import com.nvidia.spark.RapidsUDF;
import java.util.List;
import org.apache.spark.sql.api.java.UDF1;

/** {@link PrefillHidden} that also takes a whole column from the RAPIDS Accelerator. */
public final class GpuPrefillHidden extends PrefillHidden
    implements UDF1<String, List<Float>>, RapidsUDF {
  private static final long serialVersionUID = 1;

  /** For Spark. */
  public GpuPrefillHidden() {}

  @Override
  public ColumnVector evaluateColumnar(int numRows, ColumnVector... args) {
    return TextColumn.evaluate(this, numRows, args, type(), GpuPrefillHidden::column);
  }

  private static DataType type() {
    return new ListType(true, new BasicType(true, DType.FLOAT32));
  }

  /** The results as a column of lists. */
  @SuppressWarnings("unchecked") // an array of lists, which the API asks for
  static HostColumnVector column(List<List<Float>> results) {
    return HostColumnVector.fromLists(type(), (List<Float>[]) results.toArray(List<?>[]::new));
  }
}
