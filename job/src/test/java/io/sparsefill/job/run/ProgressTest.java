package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;

/** Progress of a real Spark job; the oracle is the number of elements that its tasks counted. */
class ProgressTest {
  @Test
  void countsWhatTasksCountAndDrawsABarOnATerminal() throws Exception {
    SparkContext spark =
        SparkSession.builder()
            .master("local[2]")
            .config("spark.ui.enabled", "false")
            .getOrCreate()
            .sparkContext();
    ByteArrayOutputStream shown = new ByteArrayOutputStream();
    PrintStream terminal = new PrintStream(shown, true, StandardCharsets.UTF_8);
    try (Progress progress = new Progress(spark, terminal)) {
      progress.expect(6, 600, 12, true);
      Progress.Counters counters = progress.counters();
      JavaSparkContext.fromSparkContext(spark)
          .parallelize(List.of(1, 2, 3, 4, 5, 6), 2)
          .foreach(document -> counters.add(100, 2));
      spark.listenerBus().waitUntilEmpty();
    }
    String last = shown.toString(StandardCharsets.UTF_8).strip();
    last = last.substring(last.lastIndexOf('\r') + 1);
    assertThat(last)
        .startsWith("[########################] 6/6 documents, 600/600 tokens")
        .contains("0:00 left");
  }
}
