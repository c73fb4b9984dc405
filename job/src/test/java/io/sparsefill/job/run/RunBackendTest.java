package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sparsefill.kernels.cuda.CudaBackend;
import io.sparsefill.udf.BackendChoice;
import io.sparsefill.udf.Engine;
import io.sparsefill.udf.model.ModelConfig;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;

/** Which backend a run gets. */
class RunBackendTest {
  private static final Path MODEL =
      Path.of(System.getProperty("sparsefill.root"), "conf", "models", "needle-2m");

  private static final BackendChoice CPU = new BackendChoice("cpu", "no driver");
  private static final BackendChoice CUDA = new BackendChoice("cuda", "there is a GPU");

  private static BackendChoice continued(String word, String stored, boolean local) {
    return RunBackend.continued(word, stored, "out", local, ModelConfig.read(MODEL));
  }

  @Test
  void autoGoesOnWithWhatTheDocumentsWereMadeBy() {
    assertThat(continued("auto", "cuda", false).name()).isEqualTo("cuda");
    assertThat(continued("auto", "cpu", false).name()).isEqualTo("cpu");
    assertThat(continued("cuda", "cuda", false).name()).isEqualTo("cuda");
    assertThat(continued("auto", "cpu", true).name()).isEqualTo("cpu");
  }

  @Test
  void anotherBackendThanTheFoldersIsRefusedNamingBoth() {
    assertThatThrownBy(() -> continued("cpu", "cuda", false))
        .isInstanceOf(UsageException.class)
        .hasMessage(
            "Cannot add to out with --backend cpu: its documents were pre-filled by cuda, whose"
                + " numbers are others; use --backend cuda or auto, or choose another --output");
    assertThatThrownBy(() -> continued("cuda", "cpu", true))
        .isInstanceOf(UsageException.class)
        .hasMessageContaining("use --backend cpu or auto");
  }

  @Test
  void documentsOfAGpuAreNotContinuedWhereThereIsNone() {
    assumeTrue(CudaBackend.unavailable().isPresent(), "there is a GPU");
    assertThatThrownBy(() -> continued("auto", "cuda", true))
        .isInstanceOf(UsageException.class)
        .hasMessageContaining("pre-filled by cuda")
        .hasMessageContaining(CudaBackend.unavailable().orElseThrow())
        .hasMessageContaining("another --output");
  }

  @Test
  void anAttentionOfTheCpuAloneIsRefusedOnAGpu() {
    RunOptions options =
        RunOptions.of(
            OptionValues.resolve(
                Map.of(
                    RunOption.MODEL,
                    MODEL.toString(),
                    RunOption.INPUT,
                    "i",
                    RunOption.OUTPUT,
                    "o",
                    RunOption.ATTENTION,
                    "top-k:9"),
                Map.of()));
    CheckedModel model =
        CheckedModel.open(options.model(), options.compute(), options.tokens().bos());
    assertThatCode(() -> RunBackend.refuseOtherAttention(CPU, model)).doesNotThrowAnyException();
    assertThatThrownBy(() -> RunBackend.refuseOtherAttention(CUDA, model))
        .isInstanceOf(UsageException.class)
        .hasMessageContaining("--attention top-k:9 by cuda")
        .hasMessageContaining("use --backend cpu");
  }

  @Test
  void executorsMustAgree() {
    assertThat(RunBackend.agreed(List.of(CUDA, CUDA))).isEqualTo(CUDA);
    assertThatThrownBy(() -> RunBackend.agreed(List.of(CUDA, CPU, CUDA)))
        .isInstanceOf(UsageException.class)
        .hasMessage(
            "Cannot choose a backend for the whole run: 1 of 3 task slots take cpu (no driver), 2"
                + " of 3 task slots take cuda (there is a GPU), and their numbers differ; give"
                + " --backend cpu or cuda");
  }

  @Test
  void aRequiredGpuMustBeEverywhere() {
    RunBackend.requireGpu(CUDA, List.of(CUDA, CUDA));
    RunBackend.requireGpu(CUDA, List.of());
    assertThatThrownBy(() -> RunBackend.requireGpu(CPU, List.of()))
        .isInstanceOf(UsageException.class)
        .hasMessageContaining("--require-gpu: the run would compute on cpu (no driver)");
    assertThatThrownBy(() -> RunBackend.requireGpu(CUDA, List.of(CUDA, CPU, CPU)))
        .isInstanceOf(UsageException.class)
        .hasMessageContaining("2 of 3 task slots can only take cpu (no driver)")
        .hasMessageContaining("spark.executor.resource.gpu.amount");
  }

  @Test
  void everySlotAnswersAsThisMachineWould() {
    // Oracle: the driver, which is the executor here.
    SparkSession spark =
        SparkSession.builder()
            .master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
            .getOrCreate();
    BackendChoice here = Engine.backend("auto", ModelConfig.read(MODEL));
    assertThat(RunBackend.answers(spark, MODEL.toString())).isNotEmpty().allMatch(here::equals);
  }
}
