package io.sparsefill.udf.sql;

import java.util.List;
import java.util.stream.Collectors;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.execution.ColumnarRule;
import org.apache.spark.sql.execution.SparkPlan;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks at each physical plan after the RAPIDS Accelerator has taken what it can: a pre-fill that
 * it left on the CPU fails a query that requires a GPU, before anything is computed, and is a
 * warning for any other.
 *
 * <p>A columnar rule is the place, because it runs after the accelerator's own, sees the operators
 * with the accelerator's reasons, and runs for each stage of an adaptive query and each subquery; a
 * listener would hear of the query when it is over. What is registered without {@link
 * SparsefillExtensions} has no rule: there {@link RowPath} notices at the first row.
 */
final class PlanCheck extends ColumnarRule {
  private static final Logger LOG = LoggerFactory.getLogger(PlanCheck.class);

  @Override
  public Rule<SparkPlan> postColumnarTransitions() {
    return new Look();
  }

  private static final class Look extends Rule<SparkPlan> {
    @Override
    public SparkPlan apply(SparkPlan plan) {
      RapidsMode mode = RapidsMode.current();
      if (mode != RapidsMode.OFF) {
        check(mode, RowCall.of(plan), SqlSettings.requiresGpu());
      }
      return plan;
    }
  }

  /**
   * Checks the calls that a plan leaves to Spark.
   *
   * @throws IllegalStateException if there is one and a GPU is required, saying why
   */
  static void check(RapidsMode mode, List<RowCall> calls, boolean required) {
    String found =
        calls.stream()
            // Where nothing is taken over, what could not be is what has a reason.
            .filter(call -> mode == RapidsMode.COMPUTES || !call.reasons().isEmpty())
            .map(RowCall::describe)
            .distinct()
            .collect(Collectors.joining("; "));
    if (found.isEmpty()) {
      return;
    }
    if (required) {
      throw new IllegalStateException(
          "Cannot run the query with %s=true: %s".formatted(SqlSettings.REQUIRE_GPU, found));
    }
    LOG.warn("{} ({}=true refuses such a query)", found, SqlSettings.REQUIRE_GPU);
  }
}
