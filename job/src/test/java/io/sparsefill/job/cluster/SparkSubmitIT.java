package io.sparsefill.job.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.Main;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The packaged jar through spark-submit's own main class, in client and in cluster mode, with
 * {@code conf/spark-defaults-standalone.conf}, on a master and two workers that are processes. The
 * GPUs are made up by discovery scripts, and the CPU backend computes. Oracle of what was written:
 * {@code verify}, which pre-fills documents again in this JVM.
 */
@Timeout(value = 8, unit = TimeUnit.MINUTES)
class SparkSubmitIT {
  private static final Path CONF = Path.of(System.getProperty("sparsefill.root"), "conf");
  private static final List<String> GPUS = List.of("0", "3");
  private static final int DOCUMENTS = 6;
  private static final long SUBMIT_SECONDS = 300;

  @TempDir static Path folder;
  private static StandaloneCluster cluster;

  @BeforeAll
  static void startCluster() throws Exception {
    cluster = StandaloneCluster.start(folder, GPUS);
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < DOCUMENTS; i++) {
      String text = ("Here we go " + i + " and back again. ").repeat(40 + 10 * i);
      lines.add("{\"doc_id\": \"d" + i + "\", \"text\": \"" + text + "\"}");
    }
    Files.write(folder.resolve("in.jsonl"), lines);
  }

  /** Also the check that ending a cluster leaves no process behind. */
  @AfterAll
  static void stopCluster() throws Exception {
    if (cluster == null) {
      return; // the log of what did not start is in the failure
    }
    List<ProcessHandle> family = cluster.family();
    cluster.close();
    for (ProcessHandle process : family) {
      process.onExit().get(10, TimeUnit.SECONDS);
    }
    assertThat(family).hasSizeGreaterThanOrEqualTo(1 + GPUS.size());
  }

  @Test
  void inClientModeBothWorkersHaveAnExecutorWithTheirGpu() throws Exception {
    Path output = folder.resolve("client");

    try (SparkProcess submit = submit("client", output)) {
      assertThat(submit.code(SUBMIT_SECONDS)).as(submit.log()).isZero();
      assertThat(submit.log()).contains(allDone());
    }

    for (String address : GPUS) {
      assertThat(logs(cluster.work(address), "app-", "stderr"))
          .as("executors of the worker with GPU %s", address)
          .anyMatch(log -> log.contains("[name: gpu, addresses: " + address + "]"));
    }
    isWhole(output);
  }

  @Test
  void inClusterModeTheDriverIsOnAWorker() throws Exception {
    Path output = folder.resolve("cluster");

    try (SparkProcess submit = submit("cluster", output)) {
      assertThat(submit.code(SUBMIT_SECONDS)).as(submit.log()).isZero();
      assertThat(submit.log()).doesNotContain("\"documents\":"); // the driver says it
    }

    assertThat(driverLogs("stdout")).anyMatch(log -> log.contains(allDone()));
    isWhole(output);
  }

  /**
   * Why schedulers should submit in client mode to a standalone cluster: spark-submit waits, as the
   * file asks, but ends with 0 whatever has become of the driver.
   */
  @Test
  void inClusterModeAFailureIsInTheLogOnly() throws Exception {
    Path output = folder.resolve("refused");

    try (SparkProcess submit = submit("cluster", output, "--kv-dtype", "bf17")) {
      assertThat(submit.code(SUBMIT_SECONDS)).as(submit.log()).isZero();
      assertThat(submit.log()).containsPattern("State of driver driver-\\S+ is FAILED");
    }

    assertThat(driverLogs("stderr")).anyMatch(log -> log.contains("bf17"));
    assertThat(output).doesNotExist();
  }

  /** What ends all of these if this JVM is killed. */
  @Test
  void aProcessEndsWithTheOneThatItIsBoundTo() throws Exception {
    Process other = new ProcessBuilder("sleep", "600").start();
    try (SparkProcess master =
        SparkProcess.start(
            folder,
            "lonely-master",
            Map.of(EndsWithThisJvm.VARIABLE, EndsWithThisJvm.options(folder, other.pid())),
            List.of("-Xmx512m", "-Dspark.master.rest.enabled=false"),
            "org.apache.spark.deploy.master.Master",
            List.of("--host", "localhost", "--port", "0", "--webui-port", "0"))) {
      master.awaits(Pattern.compile("Starting Spark master at (\\S+)"));
      other.destroyForcibly();
      assertThat(master.code(60)).isEqualTo(1);
    } finally {
      other.destroyForcibly();
    }
  }

  private static SparkProcess submit(String mode, Path output, String... more) throws IOException {
    List<String> arguments = new ArrayList<>();
    arguments.addAll(List.of("--master", cluster.master(), "--deploy-mode", mode));
    arguments.addAll(
        List.of("--properties-file", CONF.resolve("spark-defaults-standalone.conf").toString()));
    // These machines are smaller than those which the file is for.
    arguments.addAll(List.of("--driver-memory", "1g", "--executor-memory", "1g"));
    arguments.addAll(List.of("--executor-cores", "1", "--total-executor-cores", "2"));
    arguments.addAll(List.of("--conf", "spark.executor.memoryOverhead=512m"));
    arguments.addAll(List.of("--conf", "spark.driver.host=localhost"));
    arguments.addAll(List.of("--conf", "spark.ui.enabled=false"));
    // Not one task before both executors are there.
    arguments.addAll(List.of("--conf", "spark.scheduler.minRegisteredResourcesRatio=1.0"));
    // Executors check the GPU that the file asks for when they start.
    arguments.addAll(List.of("--conf", "spark.sparsefill.backend=cpu"));
    arguments.addAll(List.of("--class", Main.class.getName()));
    arguments.add(System.getProperty("sparsefill.shadedJar"));
    arguments.addAll(List.of("run", "--backend", "cpu"));
    arguments.addAll(List.of("--model", CONF.resolve("models/needle-2m").toString()));
    arguments.addAll(List.of("--input", folder.resolve("in.jsonl").toString()));
    arguments.addAll(List.of("--output", output.toString()));
    arguments.addAll(Arrays.asList(more));
    return SparkProcess.start(
        folder,
        "submit-" + output.getFileName(),
        Map.of(),
        List.of("-Xmx1g"),
        "org.apache.spark.deploy.SparkSubmit",
        arguments);
  }

  private static String allDone() {
    return "\"documents\":{\"ok\":" + DOCUMENTS + ",\"failed\":0,\"skipped\":0}";
  }

  /** All documents, all their blocks, right checksums, and a sample computed again. */
  private static void isWhole(Path output) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code =
        Main.execute(
            new PrintWriter(out),
            new PrintWriter(err),
            "verify",
            "--output",
            output.toString(),
            "--sample",
            "2",
            "--master",
            "local[2]");
    assertThat(code).as("%s%n%s", out, err).isZero();
    assertThat(out.toString())
        .containsPattern("documents rows +" + DOCUMENTS + " +0\n")
        .containsPattern("kv complete +" + DOCUMENTS + " +0\n");
  }

  private static List<String> driverLogs(String file) throws IOException {
    List<String> logs = new ArrayList<>();
    for (String address : GPUS) {
      logs.addAll(logs(cluster.work(address), "driver-", file));
    }
    return logs;
  }

  /** The logs below a worker's folder, of folders whose names begin so. */
  private static List<String> logs(Path work, String prefix, String file) throws IOException {
    List<Path> found;
    try (Stream<Path> files = Files.walk(work)) {
      found =
          files
              .filter(path -> path.endsWith(file))
              .filter(path -> work.relativize(path).getName(0).toString().startsWith(prefix))
              .toList();
    }
    List<String> logs = new ArrayList<>();
    for (Path path : found) {
      logs.add(Files.readString(path));
    }
    return logs;
  }
}
