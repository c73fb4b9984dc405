package io.sparsefill.job.command;

import io.sparsefill.job.Main;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * {@code sparsefill run} in a process of its own, on a cluster of Spark: a master, two workers with
 * a GPU each (as a discovery script says), and an executor on each, a process too. The model runs
 * on the CPU backend.
 */
final class ClusterRun implements AutoCloseable {
  private final Process driver;
  private final BufferedReader log;
  private final List<String> lines = new ArrayList<>();

  private ClusterRun(Process driver) {
    this.driver = driver;
    this.log = driver.errorReader(StandardCharsets.UTF_8);
  }

  /** The configuration of a run in a folder, before the test adds to it. */
  static Map<String, String> configuration(Path folder) throws IOException {
    Path script = folder.resolve("gpus.sh");
    Files.writeString(script, "#!/bin/sh\necho '{\"name\": \"gpu\", \"addresses\": [\"0\"]}'\n");
    if (!script.toFile().setExecutable(true)) {
      throw new IOException("Cannot make " + script + " executable");
    }
    Map<String, String> conf = new LinkedHashMap<>();
    conf.put("spark.master", "local-cluster[2,1,1024]");
    conf.put("spark.driver.host", "localhost");
    conf.put("spark.driver.bindAddress", "127.0.0.1");
    conf.put("spark.ui.enabled", "false");
    conf.put("spark.executor.memory", "1g");
    conf.put("spark.worker.resource.gpu.amount", "1");
    conf.put("spark.worker.resource.gpu.discoveryScript", script.toString());
    conf.put("spark.executor.resource.gpu.amount", "1");
    conf.put("spark.local.dir", folder.resolve("scratch").toString());
    conf.put("spark.executor.extraClassPath", System.getProperty("java.class.path"));
    conf.put("spark.sparsefill.model", Cli.MODEL.toString());
    conf.put("spark.sparsefill.backend", "cpu");
    return conf;
  }

  /** Adds a fault. */
  static void fault(Map<String, String> conf, FaultyFileSystem.Fault fault, Path folder) {
    conf.put("spark.hadoop.fs.file.impl", FaultyFileSystem.class.getName());
    conf.put(
        "spark.hadoop." + FaultyFileSystem.FAULT, fault.name().toLowerCase(java.util.Locale.ROOT));
    conf.put("spark.hadoop." + FaultyFileSystem.FOLDER, folder.toString());
  }

  /** Starts {@code sparsefill run}. */
  static ClusterRun start(Path folder, Map<String, String> conf, Object... arguments)
      throws IOException {
    List<Object> all = new ArrayList<>(List.of("run"));
    all.addAll(Arrays.asList(arguments));
    return start(folder, conf, Main.class, all);
  }

  /** Starts a program as a driver. */
  static ClusterRun start(
      Path folder, Map<String, String> conf, Class<?> main, List<Object> arguments)
      throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("@" + Path.of(System.getProperty("sparsefill.root"), "job", "bin", "jvm-options"));
    command.add("-Xmx1g");
    conf.forEach((key, value) -> command.add("-D" + key + "=" + value));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add(main.getName());
    arguments.forEach(argument -> command.add(argument.toString()));
    ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
    builder.environment().put("SPARK_HOME", sparkHome(folder).toString());
    builder.environment().put("SPARK_SCALA_VERSION", "2.13");
    builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
    builder.redirectOutput(folder.resolve("out.log").toFile());
    return new ClusterRun(builder.start());
  }

  /** What Spark's workers ask for: jars are on the executors' class path by configuration. */
  private static Path sparkHome(Path folder) throws IOException {
    Path home = folder.resolve("spark-home");
    Files.createDirectories(home.resolve("jars"));
    Files.writeString(home.resolve("RELEASE"), "for tests\n");
    return home;
  }

  /** Reads the log until a line; false when the run ended without it. */
  boolean reaches(Predicate<String> wanted) throws IOException {
    for (String line = log.readLine(); line != null; line = log.readLine()) {
      lines.add(line);
      if (wanted.test(line)) {
        return true;
      }
    }
    return false;
  }

  /** Ends the driver's process at once, as {@code kill -9}; returns its executors. */
  List<ProcessHandle> kill() throws InterruptedException {
    List<ProcessHandle> executors = driver.descendants().collect(Collectors.toList());
    driver.destroyForcibly();
    driver.waitFor();
    return executors;
  }

  /** Waits for the end and returns the exit code. */
  int code() throws IOException, InterruptedException {
    reaches(line -> false);
    if (!driver.waitFor(1, TimeUnit.MINUTES)) {
      throw new IllegalStateException("The driver has closed its log but does not end");
    }
    return driver.exitValue();
  }

  /** The log so far. */
  String log() {
    return String.join("\n", lines);
  }

  @Override
  public void close() throws InterruptedException {
    if (driver.isAlive()) {
      kill();
    }
  }
}
