package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A cluster whose executor has two cores and one GPU. Oracle: Spark's own event log, which names
 * the resources of every stage.
 */
class ClusterResourcesTest {
  @TempDir Path folder;

  @Test
  @Timeout(value = 5, unit = TimeUnit.MINUTES)
  void onlyPrefillTakesTheGpuAndThenAllCores() throws Exception {
    Path input = Files.createDirectory(folder.resolve("in"));
    for (int i = 0; i < 4; i++) {
      Files.writeString(input.resolve(i + ".txt"), "Here we go " + i + " and back again.");
    }
    Path events = Files.createDirectory(folder.resolve("events"));
    Map<String, String> conf = ClusterRun.configuration(folder);
    conf.put("spark.master", "local-cluster[1,2,1024]");
    conf.put("spark.executor.cores", "2");
    logEvents(conf, events);
    Path output = folder.resolve("out");

    try (ClusterRun run = ClusterRun.start(folder, conf, "--input", input, "--output", output)) {
      assertThat(run.code()).as(run.log()).isEqualTo(ExitCode.DONE);
    }

    List<JsonNode> log = events(events);
    JsonNode profile =
        log.stream()
            .filter(event -> event.path("Event").asText().endsWith("ResourceProfileAdded"))
            .filter(event -> event.path("Resource Profile Id").asInt() != 0)
            .reduce((one, other) -> one)
            .orElseThrow();
    assertThat(profile.at("/Task Resource Requests/gpu/Amount").asDouble()).isEqualTo(1);
    assertThat(profile.at("/Task Resource Requests/cpus/Amount").asDouble()).isEqualTo(2);
    int prefill = profile.path("Resource Profile Id").asInt();
    List<String> withGpu = new ArrayList<>();
    List<String> without = new ArrayList<>();
    for (JsonNode event : log) {
      if (event.path("Event").asText().equals("SparkListenerStageSubmitted")) {
        boolean gpu = event.at("/Stage Info/Resource Profile Id").asInt() == prefill;
        (gpu ? withGpu : without).add(event.at("/Properties/spark.job.description").asText());
      }
    }
    assertThat(withGpu).isNotEmpty().allMatch(job -> job.startsWith("wave "));
    assertThat(without).anyMatch(job -> job.startsWith("reading and tokenising"));
    assertThat(Cli.rows(output, "documents", "device", "status = 'ok'"))
        .hasSize(4)
        .allSatisfy(row -> assertThat(row.getString(0)).contains("2 threads"));
  }

  /** The machine has no GPU for them, or has; they are asked before anything else either way. */
  @Test
  @Timeout(value = 5, unit = TimeUnit.MINUTES)
  void executorsAreAskedOnceForTheBackendAndForARequiredGpu() throws Exception {
    Path input = Cli.documents(folder.resolve("in.jsonl"), 1, 10);
    Path events = Files.createDirectory(folder.resolve("events"));
    Map<String, String> conf = ClusterRun.configuration(folder);
    conf.put("spark.sparsefill.backend", "auto");
    logEvents(conf, events);
    Object[] arguments = {"--input", input, "--output", folder.resolve("out"), "--require-gpu"};
    try (ClusterRun run = ClusterRun.start(folder, conf, arguments)) {
      assertThat(run.code()).as(run.log()).isIn(ExitCode.DONE, ExitCode.USAGE);
    }
    assertThat(events(events))
        .filteredOn(event -> event.path("Event").asText().equals("SparkListenerJobStart"))
        .extracting(event -> event.at("/Properties/spark.job.description").asText())
        .containsOnlyOnce("asking executors for their backend");
  }

  private static void logEvents(Map<String, String> conf, Path folder) {
    conf.put("spark.eventLog.enabled", "true");
    conf.put("spark.eventLog.compress", "false");
    conf.put("spark.eventLog.rolling.enabled", "false");
    conf.put("spark.eventLog.dir", folder.toUri().toString());
  }

  @Test
  @Timeout(value = 5, unit = TimeUnit.MINUTES)
  void gpusThatTheClusterDoesNotShareOutAreRefused() throws Exception {
    Map<String, String> conf = ClusterRun.configuration(folder);
    conf.keySet().removeIf(key -> key.contains(".resource.gpu."));
    refused(conf, "spark.executor.resource.gpu.amount is not set", "--backend cuda");
  }

  @Test
  @Timeout(value = 5, unit = TimeUnit.MINUTES)
  void sparkConnectIsRefused() throws Exception {
    Map<String, String> conf = ClusterRun.configuration(folder);
    conf.put("spark.remote", "sc://localhost:15002");
    refused(conf, "Cannot run through Spark Connect (sc://localhost:15002)", "--backend cpu");
  }

  private void refused(Map<String, String> conf, String message, String backend) throws Exception {
    Path input = Cli.documents(folder.resolve("in.jsonl"), 1, 10);
    Path output = folder.resolve("out");
    try (ClusterRun run =
        ClusterRun.start(
            folder,
            conf,
            Stream.of(List.of("--input", input, "--output", output), List.of(backend.split(" ")))
                .flatMap(List::stream)
                .toArray())) {
      assertThat(run.code()).as(run.log()).isEqualTo(ExitCode.USAGE);
      assertThat(run.log()).contains("sparsefill: Cannot", message);
    }
    assertThat(output).doesNotExist();
  }

  private static List<JsonNode> events(Path folder) throws Exception {
    try (Stream<Path> files = Files.list(folder)) {
      List<JsonNode> events = new ArrayList<>();
      for (String line : Files.readAllLines(files.toList().get(0))) {
        events.add(new ObjectMapper().readTree(line));
      }
      return events;
    }
  }
}
