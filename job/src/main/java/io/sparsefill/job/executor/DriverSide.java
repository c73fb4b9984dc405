package io.sparsefill.job.executor;

import java.util.Map;
import org.apache.spark.SparkContext;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.PluginContext;

/** Tells executors which versions the driver has. */
public final class DriverSide implements DriverPlugin {
  @Override
  public Map<String, String> init(SparkContext spark, PluginContext context) {
    return JarVersions.here();
  }
}
