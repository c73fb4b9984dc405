package io.sparsefill.job;

import io.sparsefill.job.executor.DriverSide;
import io.sparsefill.job.executor.ExecutorSide;
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
  @Override
  public DriverPlugin driverPlugin() {
    return new DriverSide();
  }

  @Override
  public ExecutorPlugin executorPlugin() {
    return new ExecutorSide();
  }
}
