package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.SparsefillPlugin;
import io.sparsefill.job.command.FaultyFileSystem.Fault;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Faults of a cluster while documents are pre-filled. After each, every document is there exactly
 * once; oracles: the list of documents, and verify, which reads every checksum.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class ClusterFaultsTest {
  private static final int DOCUMENTS = 12;

  @TempDir Path folder;
  private Path input;
  private Path output;
  private Map<String, String> conf;

  @BeforeEach
  void documents() throws IOException {
    input = Cli.documents(folder.resolve("in.jsonl"), DOCUMENTS, 300);
    output = folder.resolve("out");
    conf = ClusterRun.configuration(folder);
    conf.put("spark.sparsefill.input", input.toString());
    conf.put("spark.sparsefill.output", output.toString());
    conf.put("spark.sparsefill.writer-threads", "3"); // a fault is in one of a task's kv files
  }

  @Test
  void executorKilledInTheMiddleOfADocument() throws Exception {
    ClusterRun.fault(conf, Fault.KILL, folder);
    try (ClusterRun run = ClusterRun.start(folder, conf)) {
      assertThat(run.code()).as(run.log()).isEqualTo(ExitCode.DONE);
      assertThat(run.log()).contains("Lost executor");
    }
    assertThat(folder.resolve(FaultyFileSystem.HAPPENED)).exists();
    everyDocumentIsThereOnce();
  }

  @Test
  void executorThatHasLostItsGpuInTheMiddleOfADocument() throws Exception {
    conf.put("spark.plugins", SparsefillPlugin.class.getName());
    ClusterRun.fault(conf, Fault.LOSE_GPU, folder);
    try (ClusterRun run = ClusterRun.start(folder, conf, "--strict")) {
      assertThat(run.code()).as(run.log()).isEqualTo(ExitCode.DONE);
      assertThat(run.log()).contains("Command exited with code 87");
    }
    assertThat(folder.resolve(FaultyFileSystem.HAPPENED)).exists();
    everyDocumentIsThereOnce();
  }

  @Test
  void taskThatFailsWithItsRowsHalfWrittenAndADocumentThatAlwaysFails() throws Exception {
    int[] good = IntStream.range(0, 500).map(i -> 400 + i % 90).toArray();
    int[] bad = good.clone();
    bad[10] = 300;
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < DOCUMENTS; i++) {
      lines.add(Cli.line("d" + i, good));
    }
    lines.add(Cli.line("bad", bad));
    Files.write(input, lines);
    ClusterRun.fault(conf, Fault.FAIL, folder);
    conf.put("spark.hadoop." + FaultyFileSystem.BYTES, "65536");
    conf.put("spark.sparsefill.model", BrokenModel.withNanEmbedding(folder, 300).toString());

    try (ClusterRun run =
        ClusterRun.start(folder, conf, "--emit", "kv", "--max-error-rate", 0.1, "--strict")) {
      assertThat(run.code()).as(run.log()).isEqualTo(ExitCode.PROBLEMS);
      assertThat(run.log()).contains("No space left on device");
    }

    assertThat(folder.resolve(FaultyFileSystem.HAPPENED)).exists();
    everyDocumentIsThereOnce();
    assertThat(Cli.rows(output, "documents", "doc_id, error", "status = 'failed'"))
        .singleElement()
        .satisfies(row -> assertThat(row.getString(0)).isEqualTo("bad"))
        .satisfies(row -> assertThat(row.getString(1)).contains("NaN"));
    assertThat(Cli.rows(output, "tokens", "doc_id", "doc_id = 'bad'")).isEmpty();
  }

  @Test
  void diskThatGetsFullAndLaterHasRoom() throws Exception {
    ClusterRun.fault(conf, Fault.FULL, folder);
    conf.put("spark.hadoop." + FaultyFileSystem.DISK, output.toString());
    conf.put("spark.hadoop." + FaultyFileSystem.BYTES, Integer.toString(4 << 20));
    conf.put("spark.sparsefill.wave-seconds", "0.01");
    try (ClusterRun run = ClusterRun.start(folder, conf)) {
      assertThat(run.code()).as(run.log()).isEqualTo(ExitCode.CRASH);
      assertThat(run.log().lines().reduce((first, last) -> last).orElse(""))
          .contains("Cannot", "No space left on device");
    }
    assertThat(Cli.rows(output, "documents", "doc_id", "status = 'ok'"))
        .as("what was committed before stays")
        .hasSizeBetween(1, DOCUMENTS - 1);
    Cli.run("verify", "--output", output, "--model", Cli.MODEL).expect(ExitCode.DONE);

    Cli.runOver(input, output).expect(ExitCode.DONE);

    everyDocumentIsThereOnce();
  }

  @Test
  void secondRunOnOneOutputIsRefusedAndTheFirstGoesOn() throws Exception {
    ClusterRun.fault(conf, Fault.HOLD, folder);
    try (ClusterRun run = ClusterRun.start(folder, conf)) {
      assertThat(run.reaches(line -> line.contains("wave 1/"))).as(run.log()).isTrue();

      Cli second = Cli.runOver(input, output).expect(ExitCode.USAGE);
      assertThat(second.err()).contains("Cannot write to", "writes to it since", "wait for it");

      Files.createFile(folder.resolve(FaultyFileSystem.RELEASED));
      assertThat(run.code()).as(run.log()).isEqualTo(ExitCode.DONE);
    }
    everyDocumentIsThereOnce();
  }

  @Test
  void driverKilledInTheMiddleOfADocument() throws Exception {
    ClusterRun.fault(conf, Fault.HOLD, folder);
    try (ClusterRun run = ClusterRun.start(folder, conf);
        WatchService created = folder.getFileSystem().newWatchService()) {
      folder.register(created, StandardWatchEventKinds.ENTRY_CREATE);
      while (!Files.exists(folder.resolve(FaultyFileSystem.HAPPENED))) {
        WatchKey key = created.poll(1, TimeUnit.MINUTES);
        assertThat(key).as("a document is under way").isNotNull();
        key.pollEvents();
        key.reset();
      }
      List<ProcessHandle> executors = run.kill();
      assertThat(executors).as("executors").hasSizeGreaterThanOrEqualTo(2);
      for (ProcessHandle executor : executors) { // they notice that their driver is gone
        executor.onExit().get(1, TimeUnit.MINUTES);
      }
    }
    assertThat(output.resolve("documents")).as("no wave is committed").doesNotExist();

    Cli.runOver(input, output).expect(ExitCode.DONE);

    everyDocumentIsThereOnce();
  }

  private void everyDocumentIsThereOnce() throws IOException {
    assertThat(Cli.rows(output, "documents", "doc_id", "status = 'ok'"))
        .extracting(row -> row.getString(0))
        .containsExactlyInAnyOrderElementsOf(
            IntStream.range(0, DOCUMENTS).mapToObj(i -> "d" + i).toList());
    Cli verify = Cli.run("verify", "--output", output).expect(ExitCode.DONE);
    assertThat(verify.out()).contains("All is well");
    assertThat(output.resolve("_staging")).as("what attempts have left").doesNotExist();
    assertThat(output.resolve("_lock")).doesNotExist();
  }
}
