package io.sparsefill.job.executor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.codahale.metrics.MetricRegistry;
import io.sparsefill.kernels.cuda.CudaFailure;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.ExceptionFailure;
import org.apache.spark.SparkConf;
import org.apache.spark.TaskKilled;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.resource.ResourceInformation;
import org.apache.spark.scheduler.AccumulableInfo;
import org.junit.jupiter.api.Test;
import scala.jdk.javaapi.CollectionConverters;

/** The plugin as Spark calls it on an executor; the process's end is recorded instead. */
class ExecutorSideTest {
  private final SparkConf conf = new SparkConf(false).set("spark.sparsefill.backend", "cpu");
  private final MetricRegistry metrics = new MetricRegistry();
  private final List<Integer> exits = new ArrayList<>();
  private final ExecutorSide plugin = new ExecutorSide(exits::add);

  private PluginContext context(String executor) {
    return new PluginContext() {
      @Override
      public MetricRegistry metricRegistry() {
        return metrics;
      }

      @Override
      public SparkConf conf() {
        return conf;
      }

      @Override
      public String executorID() {
        return executor;
      }

      @Override
      public String hostname() {
        throw new NullPointerException(); // as Spark's own does on executors
      }

      @Override
      public Map<String, ResourceInformation> resources() {
        return Map.of();
      }

      @Override
      public void send(Object message) {
        throw new UnsupportedOperationException();
      }

      @Override
      public Object ask(Object message) {
        throw new UnsupportedOperationException();
      }
    };
  }

  private static ExceptionFailure failure(Throwable thrown) {
    return new ExceptionFailure(
        thrown, CollectionConverters.asScala(List.<AccumulableInfo>of()).toSeq());
  }

  @Test
  void metricsOfEnginesAreRegistered() {
    plugin.init(context("3"), JarVersions.here());
    assertThat(metrics.getGauges().keySet())
        .containsExactlyInAnyOrder(
            "documents",
            "failedDocuments",
            "tokens",
            "prefillSeconds",
            "tokensPerSecond",
            "queuedSeconds",
            "density",
            "deviceMemoryBytes");
    assertThat(metrics.getGauges().values())
        .allSatisfy(gauge -> assertThat(gauge.getValue()).isInstanceOf(Number.class));
  }

  @Test
  void anotherJarThanTheDriversIsRefused() {
    Map<String, String> driver = new HashMap<>(JarVersions.here());
    driver.put("Spark", "3.5.1");
    assertThatThrownBy(() -> plugin.init(context("3"), driver))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("executor 3: its Spark is " + JarVersions.here().get("Spark"))
        .hasMessageContaining("the driver's is 3.5.1")
        .hasMessageContaining("same jar");
    JarVersions.check(
        Map.of("Spark", "4"), Map.of("Spark", "4", "RAPIDS Accelerator", "26"), "executor 1");
  }

  @Test
  void anExecutorThatHasLostItsGpuEnds() {
    plugin.init(context("3"), JarVersions.here());
    plugin.onTaskFailed(failure(new IllegalStateException("a document's own")));
    plugin.onTaskFailed(failure(new CudaFailure("Cannot allocate: out of memory", 2)));
    plugin.onTaskFailed(new TaskKilled("a stage was cancelled", null, null, null));
    assertThat(exits).isEmpty();
    plugin.onTaskFailed(
        failure(new IllegalStateException("a query", new CudaFailure("Cannot launch", 719))));
    assertThat(exits).containsExactly(87);
  }

  @Test
  void aDriverThatComputesItselfIsNotEnded() {
    plugin.init(context("driver"), JarVersions.here());
    plugin.onTaskFailed(failure(new CudaFailure("Cannot launch", 719)));
    assertThat(exits).isEmpty();
  }
}
