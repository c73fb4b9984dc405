package io.sparsefill.udf.sql;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.udf.ExecutorEngines;
import io.sparsefill.udf.text.HeldTokenizers;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;

/** The Spark session of this package's tests: two task slots, without the RAPIDS plugin. */
final class SqlSession {
  /** CPU threads of a pre-fill: Spark's default for the cores of a task. */
  static final int THREADS = 1;

  private static final String VIEW = "texts";

  private final SparkSession spark;

  private SqlSession(SparkSession spark) {
    this.spark = spark;
  }

  /** A session of its own over the shared context, with these settings and no others. */
  static SqlSession of(String... keysAndValues) {
    return of(builder().getOrCreate().newSession(), keysAndValues);
  }

  /** The same, with {@link SparsefillExtensions}. */
  static SqlSession extended(String... keysAndValues) {
    SparkSession.clearActiveSession();
    SparkSession.clearDefaultSession(); // An existing session takes no extensions.
    return of(
        builder().withExtensions(new SparsefillExtensions()).getOrCreate().newSession(),
        keysAndValues);
  }

  private static SparkSession.Builder builder() {
    return SparkSession.builder()
        .master("local[2]")
        .appName("sparsefill-sql-tests")
        .config("spark.ui.enabled", "false");
  }

  private static SqlSession of(SparkSession spark, String... keysAndValues) {
    for (int i = 0; i < keysAndValues.length; i += 2) {
      spark.conf().set(SqlSettings.PREFIX + keysAndValues[i], keysAndValues[i + 1]);
    }
    return new SqlSession(spark);
  }

  /** Closes all that the functions keep open. */
  static void closeAll() {
    HeldTokenizers.closeUnclaimed();
    ExecutorEngines.ofThisJvm().close();
    assertThat(HeldTokenizers.count()).isZero();
  }

  SparkSession spark() {
    return spark;
  }

  /**
   * The result of an expression over a column {@code text}, computed in tasks: a parallelised
   * collection is no local relation, which Spark would compute while planning.
   */
  List<Row> select(String expression, String... texts) {
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < texts.length; i++) {
      rows.add(RowFactory.create(i, texts[i]));
    }
    Dataset<Row> data =
        spark.createDataFrame(
            JavaSparkContext.fromSparkContext(spark.sparkContext()).parallelize(rows, 2),
            StructType.fromDDL("at int, text string"));
    data.createOrReplaceTempView(VIEW);
    // Partitions come back in their order; a sort would compute every row twice.
    return spark.sql("select at, " + expression + " as result from " + VIEW).collectAsList();
  }

  /** The results alone. */
  List<Object> results(String expression, String... texts) {
    return Arrays.asList(select(expression, texts).stream().map(row -> row.get(1)).toArray());
  }
}
