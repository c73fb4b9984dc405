package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.output.Inspection;
import io.sparsefill.job.output.Manifest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerJobEnd;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run of many waves; oracles: Spark's own events, and the manifest. */
class WavesTest {
  private static final int DOCUMENTS = 24;

  @TempDir Path folder;

  /** How many waves' jobs run at a time, at each start of one. */
  private static final class Overlap extends SparkListener {
    private final Map<Integer, String> running = new HashMap<>();
    private final List<Integer> counts = new ArrayList<>();

    @Override
    public synchronized void onJobStart(SparkListenerJobStart start) {
      String name = start.properties().getProperty("spark.job.description", "");
      if (name.startsWith("wave ")) {
        running.put(start.jobId(), name);
        counts.add(running.size());
      }
    }

    @Override
    public synchronized void onJobEnd(SparkListenerJobEnd end) {
      running.remove(end.jobId());
    }

    synchronized List<Integer> counts() {
      return List.copyOf(counts);
    }
  }

  @Test
  void twoWavesAreUnderWayAndAreCommittedInTheirOrder() throws Exception {
    Path input = Cli.documents(folder.resolve("in.jsonl"), DOCUMENTS, 100);
    Path output = folder.resolve("out");
    SparkContext spark = Cli.spark().sparkContext();
    Overlap overlap = new Overlap();
    spark.addSparkListener(overlap);
    try {
      Cli.runOver(input, output, "--wave-seconds", 0.05).expect(ExitCode.DONE);
      spark.listenerBus().waitUntilEmpty();
    } finally {
      spark.removeSparkListener(overlap);
    }

    List<Manifest.Wave> waves = waves(output);
    assertThat(waves).hasSizeGreaterThan(2);
    assertThat(overlap.counts()).hasSameSizeAs(waves).contains(2).doesNotContain(3);
    assertThat(waves).extracting(Manifest.Wave::finished).isSorted();
    assertThat(waves).extracting(Manifest.Wave::wave).isSorted();
    assertThat(waves.stream().mapToLong(wave -> wave.documents().get("ok")).sum())
        .isEqualTo(DOCUMENTS);
  }

  private static List<Manifest.Wave> waves(Path output) throws IOException {
    return Inspection.manifest(Cli.spark().sparkContext().hadoopConfiguration(), output.toString())
        .runs()
        .get(0)
        .waves();
  }
}
