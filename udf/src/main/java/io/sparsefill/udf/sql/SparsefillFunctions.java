package io.sparsefill.udf.sql;

import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives a session the functions {@code token_count}, {@code prefill_nll}, {@code prefill_logits}
 * and {@code prefill_hidden}, each of one string. They go by the session's {@code
 * spark.sparsefill.*} at the time of the query. {@link SparsefillExtensions} gives them to every
 * session.
 */
public final class SparsefillFunctions {
  private static final Logger LOG = LoggerFactory.getLogger(SparsefillFunctions.class);

  private SparsefillFunctions() {}

  /**
   * Registers them all, as classes that also take columns where the application has the RAPIDS
   * Accelerator ({@code spark.plugins}).
   *
   * @throws IllegalArgumentException for a session of Spark Connect
   * @throws IllegalStateException if the functions cannot see the accelerator's classes
   */
  public static void registerAll(SparkSession spark) {
    checkClassic(spark.getClass());
    Columns columns =
        Columns.of(spark.sparkContext().getConf(), SparsefillFunctions.class.getClassLoader());
    for (SqlFunction function : SqlFunction.values()) {
      spark.udf().register(function.sqlName(), function.udf(columns), function.type());
    }
    log(columns);
  }

  /** A client of Spark Connect has no way to bring a class that the plugin would know. */
  static void checkClassic(Class<?> session) {
    if (!org.apache.spark.sql.classic.SparkSession.class.isAssignableFrom(session)) {
      throw new IllegalArgumentException(
          "Cannot register Sparsefill's functions in a session of type %s: a Spark Connect client cannot; start the server with spark.sql.extensions=%s, or the application with spark.api.mode=classic"
              .formatted(session.getName(), SparsefillExtensions.class.getName()));
    }
  }

  /** Says how they will run. */
  static void log(Columns columns) {
    String names =
        Stream.of(SqlFunction.values()).map(SqlFunction::sqlName).collect(Collectors.joining(", "));
    LOG.info("Functions {} run {}", names, columns.description());
  }
}
