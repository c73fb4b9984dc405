package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.job.run.FakeEngineRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A cluster whose executor has four cores and one GPU, so that three pre-fill while one reads.
 * Oracles: Spark's own event log, the documents that were made, verify.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class ReadingBesideWavesTest {
  private static final int DOCUMENTS = 120;
  private static final int BAD = 100;
  private static final int AGAIN = 110;

  @TempDir Path folder;
  private Map<String, String> conf;

  @BeforeEach
  void cluster() throws IOException {
    conf = ClusterRun.configuration(folder);
    conf.put("spark.master", "local-cluster[1,4,1024]");
    conf.put("spark.executor.cores", "4");
  }

  private record Task(long start, long end) {
    boolean contains(Task other) {
      return start < other.start && other.end < end;
    }
  }

  @Test
  void laterDocumentsAreReadWhileEarlierOnesArePrefilled() throws Exception {
    Path input = Files.createDirectory(folder.resolve("in"));
    for (int i = 0; i < DOCUMENTS; i++) {
      // Two that fail are far behind what the first wave knows: an empty one, and a name again.
      String id = i == AGAIN ? "d0" : "d" + i;
      String text = "Here we go " + i + " and back again. ";
      Files.writeString(
          input.resolve("%03d.jsonl".formatted(i)),
          Cli.line(id, i == BAD ? "" : text.repeat(20)) + "\n");
    }
    Path events = Files.createDirectory(folder.resolve("events"));
    conf.put("spark.eventLog.enabled", "true");
    conf.put("spark.eventLog.compress", "false");
    conf.put("spark.eventLog.rolling.enabled", "false");
    conf.put("spark.eventLog.dir", events.toUri().toString());
    Path output = folder.resolve("out");

    try (ClusterRun run = ClusterRun.start(folder, conf, "--input", input, "--output", output)) {
      assertThat(run.code()).as(run.log()).isEqualTo(ExitCode.DONE);
    }

    Map<String, List<Task>> tasks = tasks(events);
    assertThat(tasks.get("wave")).hasSizeGreaterThan(1);
    assertThat(tasks.get("reading"))
        .as("read from begin to end while one task pre-fills")
        .anyMatch(reading -> tasks.get("wave").stream().anyMatch(wave -> wave.contains(reading)));
    assertThat(Cli.rows(output, "documents", "doc_id", "status = 'ok'"))
        .extracting(row -> row.getString(0))
        .containsExactlyInAnyOrderElementsOf(
            IntStream.range(0, DOCUMENTS)
                .filter(i -> i != BAD && i != AGAIN)
                .mapToObj(i -> "d" + i)
                .toList());
    List<Row> failed = Cli.rows(output, "documents", "doc_id, error", "status = 'failed'");
    assertThat(failed).hasSize(2);
    assertThat(failed.toString()).contains("duplicate doc_id 'd0'", "d" + BAD);
    Cli.run("verify", "--output", output).expect(ExitCode.DONE);
  }

  /** When the tasks of waves, without those that lay them out, and of reading ran. */
  private static Map<String, List<Task>> tasks(Path folder) throws IOException {
    Map<Integer, String> stages = new HashMap<>();
    Map<String, List<Task>> tasks = new HashMap<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (String line : Files.readAllLines(files.toList().get(0))) {
        JsonNode event = new ObjectMapper().readTree(line);
        String name = event.path("Event").asText();
        if (name.equals("SparkListenerStageSubmitted")) {
          boolean gpu = event.at("/Stage Info/Resource Profile Id").asInt() != 0;
          String job = event.at("/Properties/spark.job.description").asText();
          String kind = gpu ? "wave" : job.startsWith("reading") ? "reading" : "laying out";
          stages.put(event.at("/Stage Info/Stage ID").asInt(), kind);
        } else if (name.equals("SparkListenerTaskEnd")) {
          JsonNode task = event.path("Task Info");
          tasks
              .computeIfAbsent(stages.get(event.path("Stage ID").asInt()), k -> new ArrayList<>())
              .add(new Task(task.path("Launch Time").asLong(), task.path("Finish Time").asLong()));
        }
      }
    }
    return tasks;
  }

  /**
   * An engine, and cores that tokenise three times as fast as it pre-fills. Oracle: the time of the
   * engine alone, and of one core that reads alone; both together is what not to overlap would take
   * at least. The idle share that is printed depends on what else the machine does; {@code
   * ScheduleTest} holds it in simulated time.
   */
  @Test
  void anEngineAndTheReadingForItTakeLessTimeThanOneAfterTheOther() throws Exception {
    int documents = 310;
    List<Object> arguments = List.of(folder.resolve("fake"), documents, 60_000);
    try (ClusterRun run = ClusterRun.start(folder, conf, FakeEngineRun.class, arguments)) {
      assertThat(run.code()).as(run.log()).isZero();
    }
    List<String> lines = Files.readAllLines(folder.resolve("out.log"));
    String last = lines.get(lines.size() - 1);
    System.out.println(
        "documents, engine's seconds, idle share, waves, seconds before the first, and after: "
            + last);
    String[] result = last.split(" ");
    assertThat(result[0]).isEqualTo(Integer.toString(documents));
    double engine = Double.parseDouble(result[1]);
    double beforeFirst = Double.parseDouble(result[4]);
    double all = beforeFirst + Double.parseDouble(result[5]);
    double reading = engine / 3;
    assertThat(beforeFirst).isLessThan(reading / 4);
    assertThat(all).isGreaterThan(engine).isLessThan(engine + reading);
  }
}
