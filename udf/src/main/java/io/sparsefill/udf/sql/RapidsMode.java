package io.sparsefill.udf.sql;

import io.sparsefill.udf.RapidsPlugin;
import java.util.Locale;
import java.util.function.UnaryOperator;
import org.apache.spark.SparkEnv;

/** What the RAPIDS Accelerator does with the queries of a session. */
enum RapidsMode {
  /** Nothing: the application does not have it, or the session has turned it off. */
  OFF,
  /** It says what it would run on a GPU, and leaves all on the CPU. */
  EXPLAINS,
  /** It runs on the GPU what it can. */
  COMPUTES;

  private static final String ENABLED = "spark.rapids.sql.enabled";
  private static final String MODE = "spark.rapids.sql.mode";

  /** That of the query which the calling task belongs to, or of the session on the driver. */
  static RapidsMode current() {
    return of(RapidsPlugin.isIn(SparkEnv.get().conf()), SqlSettings.keys());
  }

  /**
   * Reads it, with the plugin's defaults.
   *
   * @param plugin whether the application has it
   * @param conf a key's value, or null
   */
  static RapidsMode of(boolean plugin, UnaryOperator<String> conf) {
    if (!plugin || "false".equalsIgnoreCase(conf.apply(ENABLED))) {
      return OFF;
    }
    String mode = conf.apply(MODE);
    return mode != null && mode.strip().toLowerCase(Locale.ROOT).equals("explainonly")
        ? EXPLAINS
        : COMPUTES;
  }
}
