package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.cluster.EndsWithThisJvm;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The packaged jar through SparkSubmit on a cluster that {@code conf/standalone.sh} has started
 * from the build's jars, with {@code conf/spark-defaults-standalone.conf}; the GPU is one that a
 * script makes up, and the CPU backend computes.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class StandaloneClusterIT {
  private static final Path ROOT = Path.of(System.getProperty("sparsefill.root"));

  @TempDir Path folder;
  private int port;

  private record Ended(int code, String text) {}

  @BeforeEach
  void start() throws Exception {
    Path gpus = folder.resolve("gpus.sh");
    Files.writeString(gpus, "#!/bin/sh\necho '{\"name\": \"gpu\", \"addresses\": [\"0\"]}'\n");
    assertThat(gpus.toFile().setExecutable(true)).isTrue();
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
    Ended started = standalone("cluster", "start");
    assertThat(started.code()).as(started.text()).isZero();
    assertThat(started.text())
        .contains("1 GPU(s) of this machine are in spark://localhost:" + port);
  }

  @AfterEach
  void stop() throws Exception {
    Ended stopped = standalone("cluster", "stop");
    assertThat(stopped.code()).as(stopped.text()).isZero();
    assertThat(stopped.text()).contains("worker: stopped", "master: stopped");
    assertThat(standalone("cluster", "stop").text()).contains("worker: was not running");
    removeLinks("cluster");
  }

  /** Not the jars that they lead to. */
  private void removeLinks(String machine) throws IOException {
    try (var links = Files.newDirectoryStream(folder.resolve(machine).resolve("spark/jars"))) {
      for (Path link : links) {
        Files.delete(link);
      }
    }
  }

  @Test
  void aFurtherMachineJoins() throws Exception {
    String url = "spark://localhost:" + port;
    Ended joined = standalone("further", "start", url);
    try {
      assertThat(joined.code()).as(joined.text()).isZero();
      assertThat(joined.text())
          .contains("1 GPU(s) of this machine are in " + url)
          .doesNotContain("master: process");
      assertThat(folder.resolve("cluster/master.log"))
          .content()
          .containsPattern("(?s)Registering worker.*Registering worker");
    } finally {
      Ended stopped = standalone("further", "stop");
      removeLinks("further");
      assertThat(stopped.text()).contains("worker: stopped", "master: was not running");
    }
  }

  @Test
  void theJarRunsAndASecondStartIsRefused() throws Exception {
    Ended again = standalone("cluster", "start");
    assertThat(again.code()).isNotZero();
    assertThat(again.text()).contains("cannot start the master", "runs already");

    Files.writeString(folder.resolve("a.txt"), "Here we go and back again.");
    Path output = folder.resolve("out");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("@" + ROOT.resolve("job/bin/jvm-options"));
    command.addAll(List.of("-Xmx1g", "-cp", sparkJars(), "org.apache.spark.deploy.SparkSubmit"));
    command.addAll(List.of("--master", "spark://localhost:" + port));
    command.addAll(List.of("--properties-file", conf("spark-defaults-standalone.conf")));
    // This machine is smaller than what the file is for.
    command.addAll(List.of("--executor-cores", "1", "--executor-memory", "1g"));
    command.addAll(List.of("--conf", "spark.executor.memoryOverhead=512m"));
    command.addAll(List.of("--conf", "spark.driver.host=localhost"));
    // Executors check the GPU that the file asks for when they start.
    command.addAll(List.of("--conf", "spark.sparsefill.backend=cpu"));
    command.addAll(List.of("--class", "io.sparsefill.job.Main"));
    command.add(System.getProperty("sparsefill.shadedJar"));
    command.addAll(List.of("run", "--backend", "cpu", "--model", conf("models/needle-2m")));
    command.addAll(List.of("--input", folder.resolve("a.txt").toString()));
    command.addAll(List.of("--output", output.toString()));

    Ended run = end(new ProcessBuilder(command));

    assertThat(run.code()).as(run.text()).isZero();
    assertThat(run.text()).contains("\"documents\":{\"ok\":1,\"failed\":0,\"skipped\":0}");
    assertThat(output.resolve("manifest.json")).exists();
  }

  private static String conf(String name) {
    return ROOT.resolve("conf").resolve(name).toString();
  }

  private static String sparkJars() throws IOException {
    return Files.readString(Path.of(System.getProperty("sparsefill.sparkClasspath"))).strip();
  }

  /** The script as on the machine whose processes are in a folder. */
  private Ended standalone(String machine, String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of("bash", conf("standalone.sh")));
    command.addAll(Arrays.asList(arguments));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("SPARSEFILL_GPUS", folder.resolve("gpus.sh").toString());
    builder.environment().put("SPARSEFILL_CLUSTER_DIR", folder.resolve(machine).toString());
    builder.environment().put("SPARK_MASTER_HOST", "localhost");
    builder.environment().put("SPARK_MASTER_PORT", Integer.toString(port));
    return end(builder);
  }

  private Ended end(ProcessBuilder builder) throws Exception {
    builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
    builder.environment().put(EndsWithThisJvm.VARIABLE, EndsWithThisJvm.options(folder));
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    builder.environment().remove("SPARK_HOME");
    Path text = Files.createTempFile(folder, "process", ".txt");
    Process process = builder.redirectErrorStream(true).redirectOutput(text.toFile()).start();
    int code = process.waitFor();
    return new Ended(code, Files.readString(text));
  }
}
