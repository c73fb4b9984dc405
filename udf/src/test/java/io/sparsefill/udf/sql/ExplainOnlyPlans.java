package io.sparsefill.udf.sql;

import java.nio.file.Path;
import java.util.List;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.SparkSession;

/**
 * Program of {@link ExplainOnlyTest}: plans queries with the RAPIDS Accelerator in a JVM without a
 * GPU, first with the functions of {@link SparsefillExtensions}, then with those of {@link
 * SparsefillFunctions}. Its argument is an empty folder.
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
      System.out.println(MARK + "nothing");
    }
  }

  private static void plan(SparkSession spark) {
    for (SqlFunction function : SqlFunction.values()) {
      spark
          .sql("select text, " + function.sqlName() + "(text) as result from texts")
          .queryExecution()
          .executedPlan();
    }
  }
}
