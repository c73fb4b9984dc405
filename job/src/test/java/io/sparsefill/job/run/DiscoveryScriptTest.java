package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.spark.resource.ResourceInformation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code conf/getGpus.sh} with an nvidia-smi that prints what a test wants. Oracle of the format:
 * the parser that Spark's workers use.
 */
class DiscoveryScriptTest {
  private static final Path SCRIPT =
      Path.of(System.getProperty("sparsefill.root"), "conf", "getGpus.sh");

  @TempDir Path bin;

  private record Ended(int code, String out, String err) {}

  @Test
  void everyGpuIsAnAddress() throws Exception {
    nvidiaSmi("0, Disabled\n1, [N/A]\n10, [N/A]\n", 0);

    Ended ended = discover(Map.of());

    assertThat(ended.code()).as(ended.err()).isZero();
    ResourceInformation gpus = ResourceInformation.parseJson(ended.out());
    assertThat(gpus.name()).isEqualTo("gpu");
    assertThat(gpus.addresses()).containsExactly("0", "1", "10");
  }

  @Test
  void aGpuInMigModeIsLeftOutAndNamed() throws Exception {
    nvidiaSmi("0, Enabled\n1, Disabled\n", 0);

    Ended ended = discover(Map.of());

    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(ResourceInformation.parseJson(ended.out()).addresses()).containsExactly("1");
    assertThat(ended.err()).contains("GPU 0 is in MIG mode");
  }

  @Test
  void aSliceThatCudaShowsIsTheOneAddress() throws Exception {
    nvidiaSmi("0, Enabled\n", 0);

    Ended ended = discover(Map.of("CUDA_VISIBLE_DEVICES", "MIG-4f3b2c1d"));

    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(ResourceInformation.parseJson(ended.out()).addresses()).containsExactly("0");
  }

  @Test
  void onlyMigIsAnError() throws Exception {
    nvidiaSmi("0, Enabled\n", 0);
    refused(discover(Map.of()), "cannot offer a GPU", "MIG mode");
  }

  @Test
  void noDriverIsAnError() throws Exception {
    refused(discover(Map.of()), "nvidia-smi is not on the PATH", "install the NVIDIA driver");
  }

  @Test
  void whatNvidiaSmiComplainsAboutIsSaid() throws Exception {
    nvidiaSmi("Failed to initialize NVML: Driver/library version mismatch\n", 18);
    refused(discover(Map.of()), "Driver/library version mismatch");
  }

  @Test
  void textInsteadOfGpusIsAnError() throws Exception {
    nvidiaSmi("No devices were found\n", 0);
    refused(discover(Map.of()), "cannot list GPUs", "No devices were found");
  }

  private static void refused(Ended ended, String... message) {
    assertThat(ended.code()).isNotZero();
    assertThat(ended.out()).isEmpty();
    assertThat(ended.err()).contains(message);
  }

  private void nvidiaSmi(String says, int code) throws IOException {
    Path script = bin.resolve("nvidia-smi");
    Files.writeString(script, "#!/bin/sh\nprintf '%s' '" + says + "'\nexit " + code + "\n");
    assertThat(script.toFile().setExecutable(true)).isTrue();
  }

  /** Runs the script with nothing on the PATH but the test's folder. */
  private Ended discover(Map<String, String> environment) throws Exception {
    Path out = bin.resolve("out");
    Path err = bin.resolve("err");
    ProcessBuilder builder = new ProcessBuilder("/bin/bash", SCRIPT.toString());
    builder.environment().clear();
    builder.environment().put("PATH", bin.toString());
    builder.environment().putAll(environment);
    builder.redirectOutput(out.toFile()).redirectError(err.toFile());
    int code = builder.start().waitFor();
    return new Ended(
        code,
        Files.readString(out, StandardCharsets.UTF_8),
        Files.readString(err, StandardCharsets.UTF_8));
  }
}
