package io.sparsefill.job.cluster;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A standalone cluster of Spark: a master and workers, each a process as on a machine of its own,
 * with one GPU each that a discovery script makes up. Ports are those that the system gives out.
 */
final class StandaloneCluster implements AutoCloseable {
  private static final Pattern MASTER = Pattern.compile("Starting Spark master at (spark://\\S+)");
  private static final Pattern WORKER = Pattern.compile("(Successfully registered) with master");

  private final Path folder;
  private final Deque<SparkProcess> processes = new ArrayDeque<>(); // the last started first
  private String master;

  private StandaloneCluster(Path folder) {
    this.folder = folder;
  }

  /**
   * Starts a master and workers, and waits until they know each other.
   *
   * @param folder gets logs and, in {@code work-ADDRESS}, what each worker's drivers and executors
   *     leave
   * @param gpuAddresses the address of each worker's GPU
   */
  static StandaloneCluster start(Path folder, List<String> gpuAddresses)
      throws IOException, InterruptedException {
    StandaloneCluster cluster = new StandaloneCluster(folder);
    try {
      cluster.startMaster();
      List<SparkProcess> workers = new ArrayList<>();
      for (String address : gpuAddresses) {
        workers.add(cluster.startWorker(address));
      }
      for (SparkProcess worker : workers) {
        worker.awaits(WORKER);
      }
      return cluster;
    } catch (IOException | InterruptedException | RuntimeException e) {
      cluster.close();
      throw e;
    }
  }

  private void startMaster() throws IOException, InterruptedException {
    SparkProcess process =
        SparkProcess.start(
            folder,
            "master",
            Map.of(),
            List.of("-Xmx512m", "-Dspark.master.rest.enabled=false"),
            "org.apache.spark.deploy.master.Master",
            List.of("--host", "localhost", "--port", "0", "--webui-port", "0"));
    processes.push(process);
    master = process.awaits(MASTER);
  }

  private SparkProcess startWorker(String gpuAddress) throws IOException {
    Path script = folder.resolve("gpus-" + gpuAddress + ".sh");
    Files.writeString(
        script, "#!/bin/sh\necho '{\"name\": \"gpu\", \"addresses\": [\"" + gpuAddress + "\"]}'\n");
    if (!script.toFile().setExecutable(true)) {
      throw new IOException("Cannot make " + script + " executable");
    }
    Map<String, String> environment =
        Map.of(
            "SPARK_HOME", sparkHome().toString(),
            "SPARK_SCALA_VERSION", "2.13",
            "SPARK_LOCAL_DIRS", folder.resolve("scratch-" + gpuAddress).toString());
    List<String> options =
        List.of(
            "-Xmx512m",
            "-Dspark.worker.resource.gpu.amount=1",
            "-Dspark.worker.resource.gpu.discoveryScript=" + script);
    SparkProcess process =
        SparkProcess.start(
            folder,
            "worker-" + gpuAddress,
            environment,
            options,
            "org.apache.spark.deploy.worker.Worker",
            List.of(
                "--host",
                "localhost",
                "--webui-port",
                "0",
                "--cores", // an executor's, and one for a driver in cluster mode
                "2",
                "--memory",
                "4g",
                "--work-dir",
                work(gpuAddress).toString(),
                master));
    processes.push(process);
    return process;
  }

  /** What a worker builds the commands of drivers and executors from: RELEASE and jars. */
  private Path sparkHome() throws IOException {
    Path home = folder.resolve("spark");
    if (Files.notExists(home)) {
      Files.createDirectories(home.resolve("jars"));
      Files.writeString(home.resolve("RELEASE"), "jars of a build\n");
      for (String jar : SparkProcess.sparkJars().split(File.pathSeparator, -1)) {
        Path file = Path.of(jar);
        Files.createSymbolicLink(home.resolve("jars").resolve(file.getFileName()), file);
      }
    }
    return home;
  }

  /** Where a worker's drivers and executors have their folders. */
  Path work(String gpuAddress) {
    return folder.resolve("work-" + gpuAddress);
  }

  /** {@code spark://HOST:PORT}. */
  String master() {
    return master;
  }

  /** Every process that it consists of, with what workers have started. */
  List<ProcessHandle> family() {
    List<ProcessHandle> family = new ArrayList<>();
    processes.forEach(process -> family.addAll(process.family()));
    return family;
  }

  /** Ends workers and master; removes the links to the jars, but not the jars. */
  @Override
  public void close() throws IOException {
    while (!processes.isEmpty()) {
      processes.pop().close();
    }
    Path jars = folder.resolve("spark/jars");
    if (Files.exists(jars)) {
      try (Stream<Path> links = Files.list(jars)) {
        for (Path link : links.toList()) {
          Files.delete(link);
        }
      }
    }
  }
}
