package io.sparsefill.job.executor;

import io.sparsefill.job.run.RunOption;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.MemoryPlan;
import io.sparsefill.kernels.cuda.CudaBackend;
import io.sparsefill.kernels.cuda.CudaDevice;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.Engine;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.RapidsPool;
import io.sparsefill.udf.TaskGpu;
import io.sparsefill.udf.model.RopeFrequencies;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.apache.spark.SparkConf;
import org.apache.spark.resource.ResourceInformation;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whether an executor's GPU can do what Spark's configuration says; options that are only on a
 * command line are checked by the command.
 */
final class GpuCheck {
  private static final Logger log = LoggerFactory.getLogger(GpuCheck.class);

  private GpuCheck() {}

  /**
   * Looks for the driver, the device's compute capability, and the memory for the configured model
   * and longest document.
   *
   * @param resources that Spark gave to the executor
   * @param who names the executor
   * @throws IllegalStateException saying what to change
   */
  static void check(SparkConf conf, Map<String, ResourceInformation> resources, String who) {
    if (text(conf, RunOption.BACKEND).equals("cpu") && !requiresGpu(conf)) {
      return;
    }
    Optional<String> unavailable = CudaBackend.unavailable();
    if (unavailable.isPresent()) {
      without(conf, resources, who, unavailable.get());
      return;
    }
    CudaDevice device = CudaDevice.at(TaskGpu.of(resources).orElse(0));
    log.info("{} computes on {}", who, device.device());
    if (conf.contains(RunOption.MODEL.key())) {
      int tokens = Math.max(1, Integer.parseInt(text(conf, RunOption.MAX_TOKENS)));
      refuseTooLarge(plan(conf, tokens), tokens, device, conf, who);
    }
  }

  /** What a document of that many tokens takes; with answers, its cache stays. */
  static MemoryPlan plan(SparkConf conf, int tokens) {
    EngineOptions options = options(conf);
    int room = options.emit().contains(Emit.ANSWER) ? 1 : 0;
    return Engine.memoryPlan(options, Math.max(1, tokens - room), room);
  }

  /** What an executor without a usable GPU means. */
  static void without(
      SparkConf conf, Map<String, ResourceInformation> resources, String who, String reason) {
    if (requiresGpu(conf)) {
      throw new IllegalStateException(
          "Cannot start %s: a GPU is required (%s=%s, %s=%s), but %s; give it a host with a GPU and driver, or change the configuration"
              .formatted(
                  who,
                  RunOption.BACKEND.key(),
                  text(conf, RunOption.BACKEND),
                  RunOption.REQUIRE_GPU.key(),
                  text(conf, RunOption.REQUIRE_GPU),
                  reason));
    }
    if (resources.containsKey("gpu")) {
      log.warn(
          "{} has a GPU from Spark that cannot be used: {}; with {}=auto it computes on the CPU, {}=true would refuse that",
          who,
          reason,
          RunOption.BACKEND.key(),
          RunOption.REQUIRE_GPU.key());
    }
  }

  private static boolean requiresGpu(SparkConf conf) {
    return text(conf, RunOption.BACKEND).equals("cuda")
        || text(conf, RunOption.REQUIRE_GPU).equals("true");
  }

  /**
   * Refuses a model and a document that do not fit.
   *
   * @param device with what is free of its memory now
   */
  static void refuseTooLarge(
      MemoryPlan plan, int tokens, CudaDevice device, SparkConf conf, String who) {
    if (plan.total() <= device.freeBytes()) {
      return;
    }
    throw new IllegalStateException(
        "Cannot start %s: the model in %s and a document of %,d tokens (%s) take %s of device memory (%s), but %s are free on %s; lower %s, set %s=stream%s"
            .formatted(
                who,
                text(conf, RunOption.MODEL),
                tokens,
                RunOption.MAX_TOKENS.key(),
                MemoryPlan.gib(plan.total()),
                plan.describe(),
                MemoryPlan.gib(device.freeBytes()),
                device.device(),
                RunOption.MAX_TOKENS.key(),
                RunOption.WEIGHTS.key(),
                RapidsPool.advice(conf, device.totalBytes(), plan.total())
                    .map(advice -> "; " + advice)
                    .orElse(", or end what else uses the device")));
  }

  /** The engine of the configuration. */
  static EngineOptions options(SparkConf conf) {
    String patterns = text(conf, RunOption.PATTERNS);
    try {
      return new EngineOptions(
          text(conf, RunOption.MODEL),
          "cuda",
          text(conf, RunOption.WEIGHTS),
          text(conf, RunOption.ATTENTION),
          patterns.isEmpty() ? null : Files.readString(Path.of(patterns)),
          Emit.parse(text(conf, RunOption.EMIT)),
          Integer.parseInt(text(conf, RunOption.LAST_POSITIONS)),
          RopeFrequencies.of(text(conf, RunOption.ROPE_FREQUENCIES)),
          KvDtype.of(text(conf, RunOption.KV_DTYPE)),
          Integer.parseInt(text(conf, RunOption.BLOCK_TOKENS)),
          conf.getInt("spark.task.cpus", 1));
    } catch (IOException e) {
      throw new UncheckedIOException(
          "Cannot read pattern file %s of %s; it must be readable on every executor"
              .formatted(patterns, RunOption.PATTERNS.key()),
          e);
    }
  }

  private static String text(SparkConf conf, RunOption option) {
    return conf.get(option.key(), option.defaultValue().orElse("")).strip();
  }
}
