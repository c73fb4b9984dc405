package io.sparsefill.job.run;

import io.sparsefill.job.CostModel;
import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentSummary;
import io.sparsefill.job.TokenizedCorpus;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.job.output.OutputFolder;
import io.sparsefill.job.output.Throughput;
import java.io.IOException;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.SparkSession;

/**
 * A driver that reads and pre-fills documents by the real {@link Waves} on a cluster, in time that
 * passes without this machine's cores: an engine of 20,000 tokens/s, and reading at a given rate.
 * Arguments: output folder, documents, tokens per second of a reading core. The last line of
 * standard output is the number of documents, the idle share of the engines, the number of waves,
 * the seconds before the first and those after.
 */
public final class FakeEngineRun {
  private static final double ENGINE = 20_000;
  private static final int PARTITIONS = 64;

  private FakeEngineRun() {}

  /** Runs twice; the first warms up the processes. */
  public static void main(String[] arguments) throws IOException {
    double rate = Double.parseDouble(arguments[2]);
    try (SparkSession spark = SparkSession.builder().appName("fake engine").getOrCreate()) {
      run(spark, arguments[0] + "/warm", 20, rate);
      run(spark, arguments[0] + "/out", Integer.parseInt(arguments[1]), rate);
    }
  }

  private static void run(SparkSession spark, String folder, int documents, double rate)
      throws IOException {
    JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    List<Integer> indices = IntStream.range(0, documents).boxed().toList();
    JavaRDD<TokenizedDocument> input =
        context
            .parallelize(indices, PARTITIONS)
            .map(
                i -> {
                  int[] tokens = new int[500 + 37 * (i * 31 % 79)];
                  FakeEngine.passes(tokens.length / rate);
                  return FakeEngine.document(i, tokens);
                });
    Tally tally = new Tally(0, new CostModel(1 / ENGINE, 0, 0.001));
    try (OutputFolder output = FakeEngine.open(context, folder);
        TokenizedCorpus corpus = TokenizedCorpus.of(input)) {
      Waves waves =
          new Waves(
              spark,
              corpus,
              output,
              tally,
              Map.of(),
              10,
              () -> PrefillTasks.of(spark),
              new Reading(spark, corpus, "made-up documents"),
              new Waves.Work() {
                @Override
                public FlatMapFunction<Iterator<TokenizedDocument>, byte[]> prefill(int wave) {
                  return new FakeEngine(ENGINE, output.fingerprint());
                }

                @Override
                public int engines(int slots) {
                  return slots;
                }

                @Override
                public DocumentRow withoutPrefill(DocumentSummary document) {
                  throw new IllegalStateException(document.error());
                }

                @Override
                public void know(List<DocumentSummary> known, boolean last) {
                  // nobody watches
                }
              });
      Throughput throughput = waves.prefill();
      long ok =
          output.manifest().runs().get(0).waves().stream()
              .mapToLong(wave -> wave.documents().get("ok"))
              .sum();
      System.out.printf(
          Locale.ROOT,
          "%n%d %.2f %.4f %d %.2f %.2f%n",
          ok,
          throughput.prefillSeconds(),
          throughput.idle(),
          output.manifest().runs().get(0).waves().size(),
          throughput.readingSeconds(),
          throughput.slotSeconds());
    }
  }
}
