package io.sparsefill.udf.sql;

import org.apache.spark.SparkEnv;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.FunctionIdentifier;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.ExpressionInfo;
import org.apache.spark.sql.catalyst.expressions.ScalaUDF;
import org.apache.spark.sql.execution.ColumnarRule;
import org.apache.spark.sql.expressions.SparkUserDefinedFunction;
import scala.Option;
import scala.Tuple3;
import scala.collection.immutable.Nil$;
import scala.collection.immutable.Seq;
import scala.runtime.AbstractFunction1;
import scala.runtime.BoxedUnit;

/**
 * {@code spark.sql.extensions=io.sparsefill.udf.sql.SparsefillExtensions}: every session has the
 * functions, those of Spark Connect and of a Thrift server too, and beside the RAPIDS Accelerator
 * {@link PlanCheck}.
 */
public final class SparsefillExtensions
    extends AbstractFunction1<SparkSessionExtensions, BoxedUnit> {
  /** For Spark. */
  public SparsefillExtensions() {}

  /**
   * Adds the functions and, beside the RAPIDS Accelerator, the check of its plans.
   *
   * @throws IllegalStateException if the functions cannot see the RAPIDS Accelerator's classes
   */
  @Override
  public BoxedUnit apply(SparkSessionExtensions extensions) {
    Columns columns = Columns.of(SparkEnv.get().conf(), getClass().getClassLoader());
    for (SqlFunction function : SqlFunction.values()) {
      extensions.injectFunction(
          new Tuple3<>(
              FunctionIdentifier.apply(function.sqlName()),
              new ExpressionInfo(
                  function.udf(columns).getClass().getName(),
                  null,
                  function.sqlName(),
                  function.usage(),
                  ""),
              new Builder(function, columns)));
    }
    if (columns == Columns.ON_GPU) {
      extensions.injectColumnar(new PlanChecks());
    }
    SparsefillFunctions.log(columns);
    return BoxedUnit.UNIT;
  }

  /** Gives each session its check. */
  private static final class PlanChecks extends AbstractFunction1<SparkSession, ColumnarRule> {
    @Override
    public ColumnarRule apply(SparkSession session) {
      return new PlanCheck();
    }
  }

  /** Makes the expression of one call, the same as that of a registered function. */
  private static final class Builder extends AbstractFunction1<Seq<Expression>, Expression> {
    private final SqlFunction function;
    private final Columns columns;

    Builder(SqlFunction function, Columns columns) {
      this.function = function;
      this.columns = columns;
    }

    @Override
    public Expression apply(Seq<Expression> arguments) {
      if (arguments.size() != 1) {
        throw new IllegalArgumentException(
            "Cannot call %s with %d arguments: it takes one, the text"
                .formatted(function.sqlName(), arguments.size()));
      }
      SparkUserDefinedFunction udf = (SparkUserDefinedFunction) function.function(columns);
      boolean nullable = true;
      boolean deterministic = true;
      return new ScalaUDF(
          udf.f(),
          function.type(),
          arguments,
          seq(),
          Option.empty(),
          Option.apply(function.sqlName()),
          nullable,
          deterministic);
    }

    /** No encoders: results are converted by the type, as for every Java UDF. */
    @SuppressWarnings("unchecked") // the empty list is one of everything
    private static <T> Seq<T> seq() {
      return (Seq<T>) (Seq<?>) Nil$.MODULE$;
    }
  }
}
