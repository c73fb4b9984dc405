package io.sparsefill.udf.sql;

import java.nio.file.Path;
import java.util.List;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.SparkSession;

/**
 * Program of {@link ExplainOnlyTest}: plans queries with the RAPIDS Accelerator in a JVM without a
 * GPU, first with the functions of {@link SparsefillExtensions}, then with those of {@link
 * SparsefillFunctions}, then some that the accelerator is told to leave. Its argument is an empty
 * folder.
 */
public final class ExplainOnlyPlans {
  /** Begins the lines between which the plugin's own stand. */
  static final String MARK = "plans of ";

  private ExplainOnlyPlans() {}

  /** Plans the queries; the plugin writes to the log what would run where. */
  public static void main(String[] args) throws Exception {
    SparkSession.Builder builder =
        SparkSession.builder()
            .config("spark.sql.extensions", SparsefillExtensions.class.getName())
            .appName("plans");
    try (SparkSession spark = builder.getOrCreate()) {
      String texts = Path.of(args[0], "texts").toString();
      spark
          .createDataset(List.of("One text.", "Another."), Encoders.STRING())
          .toDF("text")
          .write()
          .parquet(texts);
      spark.read().parquet(texts).createOrReplaceTempView("texts");
      System.out.println(MARK + "extension");
      plan(spark);
      SparsefillFunctions.registerAll(spark);
      System.out.println(MARK + "registered");
      plan(spark);
      System.out.println(MARK + "required");
      spark.conf().set(SqlSettings.REQUIRE_GPU, "true");
      plan(spark);
      spark.conf().set("spark.rapids.sql.exec.ProjectExec", "false");
      for (SqlFunction function : SqlFunction.values()) {
        try {
          plan(spark, function);
          System.out.println("planned " + function);
        } catch (IllegalStateException e) {
          System.out.println("refused " + function + ": " + e.getMessage());
        }
      }
      System.out.println(MARK + "allowed");
      spark.conf().set(SqlSettings.REQUIRE_GPU, "false");
      plan(spark);
      System.out.println(MARK + "nothing");
    }
  }

  private static void plan(SparkSession spark) {
    for (SqlFunction function : SqlFunction.values()) {
      plan(spark, function);
    }
  }

  private static void plan(SparkSession spark, SqlFunction function) {
    spark
        .sql("select text, " + function.sqlName() + "(text) as result from texts")
        .queryExecution()
        .executedPlan();
  }
}
