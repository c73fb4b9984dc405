package io.sparsefill.udf;

import io.sparsefill.kernels.MemoryPlan;
import java.util.Locale;
import java.util.Optional;
import org.apache.spark.SparkConf;

/**
 * The memory pool that the RAPIDS Accelerator takes of an executor's GPU when it starts, beside a
 * model: by default all that is free, so that no weights fit.
 */
public final class RapidsPool {
  private static final String KEY = "spark.rapids.memory.gpu.";

  /** Enough to read and project text. */
  private static final double MOST = 0.2;

  /** What contexts, kernels and libraries take beside plans, with a margin. */
  private static final long SPARE_BYTES = 1L << 30;

  private RapidsPool() {}

  /**
   * What to change when a model has found too little memory.
   *
   * @param total bytes of the GPU
   * @param needed bytes that model and document take
   * @return empty where there is no pool, or one that leaves as much as it can
   */
  public static Optional<String> advice(SparkConf conf, long total, long needed) {
    if (!RapidsPlugin.isIn(conf)
        || conf.get(KEY + "pool", "ASYNC").strip().equalsIgnoreCase("NONE")) {
      return Optional.empty();
    }
    double allocated = conf.getDouble(KEY + "allocFraction", 1.0);
    double share = Math.min(allocated, conf.getDouble(KEY + "maxAllocFraction", 1.0));
    double most = Math.floor(100.0 * (total - needed - SPARE_BYTES) / total) / 100;
    double wanted = Math.min(MOST, most);
    if (wanted < 0.01) {
      return Optional.of(
          "they leave nothing of the GPU's %s for the RAPIDS Accelerator's pool: shorten the document, stream the weights, or take %s out of spark.plugins"
              .formatted(MemoryPlan.gib(total), RapidsPlugin.CLASS));
    }
    if (share <= wanted) {
      return Optional.empty();
    }
    String fraction = String.format(Locale.ROOT, "%.2f", wanted);
    return Optional.of(
        "the RAPIDS Accelerator's pool may take %s of the GPU's %s (%sallocFraction=%s%s): set %sallocFraction=%s, %smaxAllocFraction=%s and %sminAllocFraction=0"
            .formatted(
                MemoryPlan.gib((long) (share * total)),
                MemoryPlan.gib(total),
                KEY,
                allocated,
                conf.contains(KEY + "allocFraction") ? "" : ", the default",
                KEY,
                fraction,
                KEY,
                fraction,
                KEY));
  }
}
