package io.sparsefill.udf.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.udf.SharedMaterial;
import java.util.List;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.Nvl;
import org.apache.spark.sql.catalyst.trees.TreeNodeTag;
import org.apache.spark.sql.execution.FilterExec;
import org.apache.spark.sql.execution.ProjectExec;
import org.apache.spark.sql.execution.SparkPlan;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import scala.collection.immutable.Set;
import scala.collection.immutable.Set$;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Pre-fills that a plan leaves on the CPU. The plans are Spark's own, without the accelerator,
 * whose reasons are put there by hand; {@link ExplainOnlyTest} has the accelerator's.
 */
class PlanCheckTest {
  private final SqlSession session =
      SqlSession.of("model", SharedMaterial.model("needle-2m").toString());

  @AfterAll
  static void close() {
    SqlSession.closeAll();
  }

  @BeforeEach
  void register() {
    SparsefillFunctions.registerAll(session.spark());
    session
        .spark()
        .udf()
        .registerJava("scored", GpuPrefillNll.class.getName(), SqlFunction.PREFILL_NLL.type());
    session
        .spark()
        .createDataset(
            new JavaSparkContext(session.spark().sparkContext())
                .parallelize(List.of("One text."))
                .rdd(),
            Encoders.STRING())
        .toDF("text")
        .createOrReplaceTempView("texts");
  }

  private SparkPlan plan(String query) {
    return session.spark().sql(query).queryExecution().sparkPlan();
  }

  private static void refused(RapidsMode mode, SparkPlan plan, String... words) {
    List<RowCall> calls = RowCall.of(plan);
    PlanCheck.check(mode, calls, false); // a warning
    assertThatThrownBy(() -> PlanCheck.check(mode, calls, true))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith("Cannot run the query with spark.sparsefill.require-gpu=true: ")
        .hasMessageContainingAll(words);
  }

  @Test
  void callsInsideOfExpressionsAndOperatorsAreFound() {
    refused(
        RapidsMode.COMPUTES,
        plan("select upper(text), scored(text).nll + 1 from texts"),
        "scored(",
        " in Project stays on the CPU",
        "spark.rapids.sql.explain=NOT_ON_GPU");
    refused(
        RapidsMode.COMPUTES,
        plan("select count(*) from (select text from texts where scored(lower(text)).nll > 1)"),
        "scored(lower(",
        " in Filter stays on the CPU");
    assertThat(RowCall.of(plan("select scored(text), scored(lower(text)) from texts"))).hasSize(2);
  }

  /** Spark keeps branches in pairs, and what may be missing in an option. */
  @Test
  void callsInBranchesAndFiltersOfAggregatesAreFound() {
    for (String column :
        List.of(
            "case when text > 'a' then scored(text).nll when text > 'A' then 1 end",
            "case when text > 'a' then 0 when text > 'A' then 1 else scored(text).nll end",
            "count(*) filter (where scored(text).nll > 1)")) {
      assertThat(RowCall.of(plan("select " + column + " from texts")))
          .as(column)
          .extracting(RowCall::expression)
          .isNotEmpty()
          .allMatch(call -> call.startsWith("scored("));
    }
  }

  @Test
  void aClassThatTakesRowsOnlyIsNamedWithTheOneThatTakesColumns() {
    refused(
        RapidsMode.COMPUTES,
        plan("select prefill_nll(text) from texts"),
        "its class io.sparsefill.udf.sql.PrefillNll takes rows only; register"
            + " io.sparsefill.udf.sql.GpuPrefillNll, or use"
            + " spark.sql.extensions=io.sparsefill.udf.sql.SparsefillExtensions");
  }

  @Test
  void whatIsNoPrefillIsLeftAlone() {
    SparkPlan plan = plan("select token_count(text), upper(text), length(text) from texts");
    assertThat(RowCall.of(plan)).isEmpty();
    PlanCheck.check(RapidsMode.COMPUTES, RowCall.of(plan), true);
  }

  /** As the accelerator's bridge to the CPU holds the call: of its children none is the call. */
  @Test
  void aCallThatIsNoChildIsFound() {
    SparkPlan project = plan("select scored(text) from texts");
    Expression call =
        CollectionConverters.asJava(((ProjectExec) project).expressions()).get(0).children().head();
    Expression beside = new Nvl(call, Literal.TrueLiteral(), Literal.TrueLiteral());
    SparkPlan filter = new FilterExec(beside, project.children().head());
    assertThat(RowCall.of(filter)).extracting(RowCall::operator).containsExactly("Filter");
  }

  @Test
  void theAcceleratorsReasonsAreTold() {
    SparkPlan plan = plan("select scored(text) from texts");
    assertThat(RowCall.of(plan)).hasSize(1);
    // It explains only, and has nothing against the operator.
    PlanCheck.check(RapidsMode.EXPLAINS, RowCall.of(plan), true);
    Set<String> reasons = Set$.MODULE$.<String>empty().$plus("of b").$plus("of a");
    plan.setTagValue(new TreeNodeTag<Set<String>>("rapids.gpu.supported"), reasons);
    refused(RapidsMode.EXPLAINS, plan, "because of a; of b");
    refused(RapidsMode.COMPUTES, plan, "because of a; of b");
  }

  @Test
  void modeOfTheAccelerator() {
    assertThat(RapidsMode.of(false, key -> null)).isEqualTo(RapidsMode.OFF);
    assertThat(RapidsMode.of(true, key -> null)).isEqualTo(RapidsMode.COMPUTES);
    Map<String, String> off = Map.of("spark.rapids.sql.enabled", "False");
    assertThat(RapidsMode.of(true, off::get)).isEqualTo(RapidsMode.OFF);
    Map<String, String> explains = Map.of("spark.rapids.sql.mode", "explainOnly");
    assertThat(RapidsMode.of(true, explains::get)).isEqualTo(RapidsMode.EXPLAINS);
    Map<String, String> executes = Map.of("spark.rapids.sql.mode", "executeOnGPU");
    assertThat(RapidsMode.of(true, executes::get)).isEqualTo(RapidsMode.COMPUTES);
  }

  /** Functions of {@code registerAll}, whose plans nothing checks; the plugin is a name only. */
  @Test
  void aRowThatATaskComputesIsRefusedWhereAGpuIsRequired() {
    SparkConf conf = SparkEnv.get().conf();
    conf.set("spark.plugins", "com.nvidia.spark.SQLPlugin");
    try {
      assertThat(session.results("scored(text)", "One text.")).hasSize(1);
      session.spark().conf().set(SqlSettings.REQUIRE_GPU, "true");
      assertThatThrownBy(() -> session.results("scored(text)", "One text."))
          .hasStackTraceContaining(
              "Cannot compute prefill_nll by rows with spark.sparsefill.require-gpu=true: prefill_nll"
                  + " in this query's plan stays on the CPU, and the RAPIDS Accelerator does not say"
                  + " why");
      assertThat(session.results("token_count(text)", "One text.")).doesNotContainNull();
      session.spark().conf().set("spark.rapids.sql.enabled", "false");
      // The engine still needs a GPU, and says so where there is none.
      assertThatCode(() -> session.results("scored(text)", "One text."))
          .satisfiesAnyOf(
              failure -> assertThat(failure).isNull(),
              failure -> assertThat(failure).hasStackTraceContaining("Cannot run --backend cuda"));
    } finally {
      conf.remove("spark.plugins");
    }
  }
}
