package io.sparsefill.udf.sql;

import io.sparsefill.udf.RapidsPlugin;
import java.util.Arrays;
import org.apache.spark.SparkConf;

/** Whether functions can take columns from the RAPIDS Accelerator. */
enum Columns {
  /** Rows and, in a plan of the RAPIDS Accelerator, columns. */
  ON_GPU,
  /** Rows only. */
  NONE;

  private static final String INTERFACE = "com.nvidia.spark.RapidsUDF";

  /**
   * Decides: where the application has the plugin, executors have its classes too.
   *
   * @param loader what loads the functions
   * @throws IllegalStateException if the application has the plugin, but the functions cannot see
   *     its classes
   */
  static Columns of(SparkConf conf, ClassLoader loader) {
    if (!RapidsPlugin.isIn(conf)) {
      return NONE;
    }
    try {
      Class.forName(INTERFACE, false, loader);
      return ON_GPU;
    } catch (ClassNotFoundException e) {
      throw new IllegalStateException(
          "Cannot register Sparsefill's functions: spark.plugins has %s, but the class loader of Sparsefill's jar does not see %s; give both jars to spark-submit in the same way, with --jars or with spark.driver.extraClassPath and spark.executor.extraClassPath"
              .formatted(RapidsPlugin.CLASS, INTERFACE),
          e);
    }
  }

  /** What a function can take, without loading the plugin's classes. */
  static Columns of(TextFunction<?> function) {
    return Arrays.stream(function.getClass().getInterfaces())
            .anyMatch(type -> type.getName().equals(INTERFACE))
        ? ON_GPU
        : NONE;
  }

  /** For the log. */
  String description() {
    return this == ON_GPU
        ? "by columns in plans of the RAPIDS Accelerator, else by rows"
        : "by rows: spark.plugins does not have " + RapidsPlugin.CLASS;
  }
}
