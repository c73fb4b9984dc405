package io.sparsefill.job;

import io.sparsefill.job.executor.DriverSide;
import io.sparsefill.job.executor.ExecutorSide;
import io.sparsefill.udf.RapidsPlugin;
import org.apache.spark.SparkConf;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.SparkPlugin;

/**
 * {@code spark.plugins=io.sparsefill.job.SparsefillPlugin}: checks each executor's set-up when it
 * starts, publishes what its engines do among Spark's metrics, and ends an executor that has lost
 * its GPU, so that Spark replaces it. With the RAPIDS Accelerator, name that one first, so that its
 * memory pool counts in the check.
 */
public final class SparsefillPlugin implements SparkPlugin {
  /**
   * For Spark, which makes all plugins before it starts the first, on the driver and on executors:
   * so that the RAPIDS Accelerator's set-up is checked before its own start would fail.
   *
   * @throws IllegalStateException if the accelerator could not run, saying what to change
   */
  public SparsefillPlugin(SparkConf conf) {
    RapidsPlugin.check(conf, Thread.currentThread().getContextClassLoader());
  }

  @Override
  public DriverPlugin driverPlugin() {
    return new DriverSide();
  }

  @Override
  public ExecutorPlugin executorPlugin() {
    return new ExecutorSide();
  }
}
