package io.sparsefill.job.executor;

import com.codahale.metrics.Gauge;
import com.codahale.metrics.MetricRegistry;
import io.sparsefill.udf.EngineFigures;
import io.sparsefill.udf.ExecutorEngines;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * What the engines of an executor do, among Spark's metrics: totals since the executor started,
 * read when a sink asks.
 */
final class EngineMetrics {
  private EngineMetrics() {}

  /** Puts them under an executor's plugin metrics. */
  static void register(MetricRegistry registry, ExecutorEngines engines) {
    Supplier<EngineFigures> figures = engines::figures;
    put(registry, "documents", figures, EngineFigures::documents);
    put(registry, "failedDocuments", figures, EngineFigures::failed);
    put(registry, "tokens", figures, EngineFigures::tokens);
    put(registry, "prefillSeconds", figures, EngineFigures::prefillSeconds);
    put(registry, "tokensPerSecond", figures, EngineFigures::tokensPerSecond);
    put(registry, "queuedSeconds", figures, EngineFigures::queuedSeconds);
    put(registry, "density", figures, EngineFigures::density);
    registry.register("deviceMemoryBytes", (Gauge<Long>) engines::deviceBytes);
  }

  private static <T> void put(
      MetricRegistry registry,
      String name,
      Supplier<EngineFigures> figures,
      Function<EngineFigures, T> value) {
    registry.register(name, (Gauge<T>) () -> value.apply(figures.get()));
  }
}
