package io.sparsefill.udf.sql;

import java.lang.invoke.SerializedLambda;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.ScalaUDF;
import org.apache.spark.sql.catalyst.trees.TreeNodeTag;
import org.apache.spark.sql.execution.SparkPlan;
import scala.Option;
import scala.collection.Iterator;
import scala.jdk.javaapi.CollectionConverters;

/**
 * A call of a function that pre-fills, in a physical plan, where Spark itself would compute it row
 * by row: what the RAPIDS Accelerator takes over is an expression of its own.
 *
 * @param function that is called
 * @param expression the call as Spark prints it
 * @param operator that computes it
 * @param reasons why the accelerator did not take the operator; empty when it does not say
 */
record RowCall(TextFunction<?> function, String expression, String operator, List<String> reasons) {
  /** Where the accelerator keeps its reasons, at the operators that it leaves to Spark. */
  private static final TreeNodeTag<scala.collection.immutable.Set<String>> REASONS =
      new TreeNodeTag<>("rapids.gpu.supported");

  /** Copies the list. */
  RowCall {
    reasons = List.copyOf(reasons);
  }

  /** Those of a plan; stages and subqueries have plans of their own. */
  static List<RowCall> of(SparkPlan plan) {
    List<RowCall> calls = new ArrayList<>();
    addOperator(plan, calls);
    return calls;
  }

  private static void addOperator(SparkPlan operator, List<RowCall> calls) {
    Set<Expression> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    for (Expression expression : CollectionConverters.asJava(operator.expressions())) {
      addExpression(expression, operator, seen, calls);
    }
    for (SparkPlan child : CollectionConverters.asJava(operator.children())) {
      addOperator(child, calls);
    }
  }

  private static void addExpression(
      Expression expression, SparkPlan operator, Set<Expression> seen, List<RowCall> calls) {
    if (!seen.add(expression)) {
      return;
    }
    if (expression instanceof ScalaUDF call) {
      function(call.function())
          .filter(TextFunction::prefills)
          .ifPresent(
              function ->
                  calls.add(
                      new RowCall(
                          function, call.toString(), operator.nodeName(), reasons(operator))));
    }
    for (Expression child : CollectionConverters.asJava(expression.children())) {
      addExpression(child, operator, seen, calls);
    }
    // Not the children alone: the accelerator's bridge to the CPU keeps what it calls beside them.
    Iterator<Object> parts = expression.productIterator();
    while (parts.hasNext()) {
      addPart(parts.next(), operator, seen, calls);
    }
  }

  private static void addPart(
      Object part, SparkPlan operator, Set<Expression> seen, List<RowCall> calls) {
    if (part instanceof Expression expression) {
      addExpression(expression, operator, seen, calls);
    } else if (part instanceof scala.collection.Seq<?> parts) {
      CollectionConverters.asJava(parts).forEach(each -> addPart(each, operator, seen, calls));
    }
  }

  /**
   * The object that a Java UDF's lambda has captured, as the accelerator looks for it; not by its
   * name, which users choose.
   */
  private static Optional<TextFunction<?>> function(Object lambda) {
    try {
      Method replace = lambda.getClass().getDeclaredMethod("writeReplace");
      replace.setAccessible(true);
      return replace.invoke(lambda) instanceof SerializedLambda form
              && form.getCapturedArgCount() == 1
              && form.getCapturedArg(0) instanceof TextFunction<?> function
          ? Optional.of(function)
          : Optional.empty();
    } catch (NoSuchMethodException e) {
      return Optional.empty(); // a function of Scala's, and none of ours
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("Cannot look into a user-defined function of the plan", e);
    }
  }

  private static List<String> reasons(SparkPlan operator) {
    Option<scala.collection.immutable.Set<String>> found = operator.getTagValue(REASONS);
    return found.isEmpty()
        ? List.of()
        : CollectionConverters.asJava(found.get()).stream().sorted().toList();
  }

  /** What stays on the CPU and why, as far as it is known. */
  String describe() {
    return "%s in %s stays on the CPU, %s".formatted(expression, operator, why());
  }

  private String why() {
    if (Columns.of(function) == Columns.NONE) {
      return "because its class %s takes rows only; register %s, or use spark.sql.extensions=%s"
          .formatted(
              function.getClass().getName(),
              function.getClass().getName().replaceFirst("(\\w+)$", "Gpu$1"),
              SparsefillExtensions.class.getName());
    }
    return reasons.isEmpty()
        ? "and the RAPIDS Accelerator does not say why: spark.rapids.sql.explain=NOT_ON_GPU shows its"
            + " whole view of the plan in the log"
        : "because " + String.join("; ", reasons);
  }
}
