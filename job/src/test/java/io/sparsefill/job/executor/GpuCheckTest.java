package io.sparsefill.job.executor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sparsefill.kernels.MemoryPlan;
import io.sparsefill.kernels.cuda.CudaBackend;
import io.sparsefill.kernels.cuda.CudaDevice;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.Engine;
import io.sparsefill.udf.EngineOptions;
import java.nio.file.Path;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;

/** What an executor's GPU must be able to do by the configuration; the device is made up. */
class GpuCheckTest {
  private static final Path MODEL =
      Path.of(System.getProperty("sparsefill.root"), "conf", "models", "needle-2m");

  private final SparkConf conf =
      new SparkConf(false)
          .set("spark.sparsefill.model", MODEL.toString())
          .set("spark.sparsefill.max-tokens", "20000")
          .set("spark.task.cpus", "3");

  @Test
  void theConfiguredEngineHasTheOptionsOfARun() {
    EngineOptions options =
        GpuCheck.options(
            conf.set("spark.sparsefill.emit", "nll").set("spark.sparsefill.weights", "stream"));
    assertThat(options.model()).isEqualTo(MODEL.toString());
    assertThat(options.emit()).containsExactly(Emit.NLL);
    assertThat(options.weights()).isEqualTo("stream");
    assertThat(options.attention()).isEqualTo("minference");
    assertThat(options.threads()).isEqualTo(3);
  }

  private static CudaDevice device(long free) {
    return new CudaDevice("a GPU", "products", "attention", 80L << 30, free);
  }

  @Test
  void aModelThatDoesNotFitIsRefusedSayingWhatToChange() {
    MemoryPlan plan = Engine.memoryPlan(GpuCheck.options(conf), 20_000);
    GpuCheck.refuseTooLarge(plan, 20_000, device(plan.total()), conf, "executor 1");
    assertThatThrownBy(
            () ->
                GpuCheck.refuseTooLarge(plan, 20_000, device(plan.total() - 1), conf, "executor 1"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith("Cannot start executor 1: the model in " + MODEL)
        .hasMessageContaining("20,000 tokens (spark.sparsefill.max-tokens)")
        .hasMessageContaining(plan.describe())
        .hasMessageContaining("free on a GPU")
        .hasMessageContaining("spark.sparsefill.weights=stream")
        .hasMessageEndingWith("end what else uses the device");
    conf.set("spark.plugins", "com.nvidia.spark.SQLPlugin,io.sparsefill.job.SparsefillPlugin");
    assertThatThrownBy(() -> GpuCheck.refuseTooLarge(plan, 20_000, device(1), conf, "executor 1"))
        .hasMessageContaining(
            "the RAPIDS Accelerator's pool may take 80.00 GiB of the GPU's 80.00 GiB")
        .hasMessageContaining("set spark.rapids.memory.gpu.allocFraction=0.20")
        .hasMessageContaining("spark.rapids.memory.gpu.maxAllocFraction=0.20")
        .hasMessageContaining("spark.rapids.memory.gpu.minAllocFraction=0");
  }

  /** A run with answers counts question and answer for the length, and keeps the cache. */
  @Test
  void withAnswersTheCacheOfTheLongestDocumentIsCounted() {
    assertThat(GpuCheck.plan(conf, 20_000))
        .isEqualTo(Engine.memoryPlan(GpuCheck.options(conf), 20_000));
    conf.set("spark.sparsefill.emit", "answer");
    assertThat(GpuCheck.plan(conf, 20_000).describe())
        .contains("keys and values of 4 layers, 20000 tokens");
    assertThat(GpuCheck.plan(conf, 1).describe()).contains("keys and values of 4 layers, 2 tokens");
  }

  @Test
  void aGpuThatIsRequiredAndAbsentIsRefused() {
    GpuCheck.without(conf, Map.of(), "executor 1", "no driver");
    conf.set("spark.sparsefill.backend", "cuda");
    assertThatThrownBy(() -> GpuCheck.without(conf, Map.of(), "executor 1", "no driver"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("spark.sparsefill.backend=cuda")
        .hasMessageContaining("but no driver;");
    conf.set("spark.sparsefill.backend", "auto").set("spark.sparsefill.require-gpu", "true");
    assertThatThrownBy(() -> GpuCheck.without(conf, Map.of(), "executor 1", "no driver"))
        .hasMessageContaining("spark.sparsefill.require-gpu=true");
  }

  @Test
  void theGpuThatIsThereIsLookedAt() {
    assumeTrue(CudaBackend.unavailable().isEmpty(), () -> CudaBackend.unavailable().get());
    GpuCheck.check(conf, Map.of(), "executor 1");
    conf.set("spark.sparsefill.attention", "dense");
    conf.set("spark.sparsefill.max-tokens", "1000000000");
    assertThatThrownBy(() -> GpuCheck.check(conf, Map.of(), "executor 1"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("1,000,000,000 tokens");
  }
}
