package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.CostModel;
import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.DocumentSummary;
import io.sparsefill.job.TokenizedCorpus;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.job.output.Manifest;
import io.sparsefill.job.output.OutputFolder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Waves over an input of 64 parts of two documents each, read section by section: two parts at
 * first, then few at a time beside one engine. Oracle: the documents that were made to fail.
 */
@Timeout(120)
class WavesInSectionsTest {
  private static final int PARTS = 64;
  private static final int DOCUMENTS = 2 * PARTS;

  /** Two tasks read at once, and one beside the one that pre-fills. */
  private static final PrefillTasks TASKS = new PrefillTasks(1, 1, 2, 1, null);

  @TempDir Path folder;

  private final JavaSparkContext spark =
      JavaSparkContext.fromSparkContext(
          SparkSession.builder()
              .master("local[2]")
              .config("spark.ui.enabled", "false")
              .getOrCreate()
              .sparkContext());

  private List<Manifest.Wave> committed = List.of();

  /** What the run knew at each beginning of a wave. */
  private final List<Integer> knownAtWaves = new ArrayList<>();

  private Tally run(IntPredicate bad, int broken, double maxErrorRate) throws IOException {
    Tally tally = new Tally(maxErrorRate, new CostModel(1e-5, 0, 0.001));
    List<Integer> indices = IntStream.range(0, DOCUMENTS).boxed().toList();
    List<Integer> failing = IntStream.range(0, DOCUMENTS).filter(bad).boxed().toList();
    JavaRDD<TokenizedDocument> input =
        spark
            .parallelize(indices, PARTS)
            .map(
                i -> {
                  if (i == broken) {
                    throw new IllegalStateException("the source is gone");
                  }
                  TokenizedDocument document = FakeEngine.document(i, new int[100 + i]);
                  return failing.contains(i)
                      ? new TokenizedDocument(
                          document.docId(),
                          document.source(),
                          "",
                          new int[0],
                          DocumentStatus.FAILED,
                          "made to fail",
                          null)
                      : document;
                });
    try (OutputFolder output = FakeEngine.open(spark, folder.resolve("out").toString());
        TokenizedCorpus corpus = TokenizedCorpus.of(input)) {
      Reading reading = new Reading(SparkSession.active(), corpus, "made-up documents");
      try {
        new Waves(
                SparkSession.active(),
                corpus,
                output,
                tally,
                Map.of(),
                300,
                () -> TASKS,
                reading,
                work(output, corpus))
            .prefill();
      } finally {
        committed =
            output.manifest().runs().isEmpty()
                ? List.of()
                : output.manifest().runs().get(0).waves();
      }
    }
    return tally;
  }

  private Waves.Work work(OutputFolder output, TokenizedCorpus corpus) {
    return new Waves.Work() {
      @Override
      public FlatMapFunction<Iterator<TokenizedDocument>, byte[]> prefill(int wave) {
        knownAtWaves.add(corpus.summaries().size());
        return new FakeEngine(100_000, output.fingerprint());
      }

      @Override
      public int engines(int slots) {
        return slots;
      }

      @Override
      public DocumentRow withoutPrefill(DocumentSummary document) {
        return new DocumentRow(
            document.docId(),
            document.source(),
            "",
            0,
            document.status(),
            document.error(),
            null,
            null,
            null,
            null,
            output.fingerprint(),
            output.runId());
      }

      @Override
      public void know(List<DocumentSummary> documents, boolean last) {
        // nobody watches
      }
    };
  }

  private long committed(String status) {
    return committed.stream().mapToLong(wave -> wave.documents().getOrDefault(status, 0L)).sum();
  }

  @Test
  void everyDocumentIsPrefilledOnceAndTheFirstWaveDoesNotWaitForTheLast() throws IOException {
    Tally tally = run(i -> false, -1, 0);
    assertThat(committed("ok")).isEqualTo(DOCUMENTS);
    assertThat(tally.summary("fake", 1, null, "", 0, 0L).ok()).isEqualTo(DOCUMENTS);
    assertThat(knownAtWaves.get(0)).isLessThan(DOCUMENTS);
    assertThat(knownAtWaves).isSorted().endsWith(DOCUMENTS);
    assertThat(committed).extracting(Manifest.Wave::wave).isSorted().doesNotHaveDuplicates();
  }

  @Test
  void whileTooManyHaveFailedNothingIsPrefilledUntilItIsKnownThatTheyAreFewOfAll()
      throws IOException {
    Tally tally = run(i -> i < 6, -1, 0.1); // 6 of 60 are as many as may fail
    assertThat(tally.errorRateExceeded()).isFalse();
    assertThat(committed("ok")).isEqualTo(DOCUMENTS - 6);
    assertThat(committed("failed")).isEqualTo(6);
    assertThat(knownAtWaves.get(0)).isGreaterThanOrEqualTo(60);
  }

  @Test
  void tooManyFailedOfAllCostNoPrefillAndTheirRowsAreCommitted() throws IOException {
    Tally tally = run(i -> i < 20, -1, 0.1);
    assertThat(tally.errorRateExceeded()).isTrue();
    assertThat(knownAtWaves).isEmpty();
    assertThat(committed).hasSize(1);
    assertThat(committed("failed")).isEqualTo(20);
    assertThat(tally.summary("fake", 1, null, "", 0, 0L).left()).isEqualTo(DOCUMENTS - 20);
  }

  @Test
  void failuresFarBehindEndTheRunWhenAllIsKnown() throws IOException {
    Tally tally = run(i -> i >= DOCUMENTS - 20, -1, 0.1);
    assertThat(tally.errorRateExceeded()).isTrue();
    assertThat(knownAtWaves).isNotEmpty();
    assertThat(committed("failed")).isEqualTo(20);
  }

  @Test
  void whatHasBegunIsCommittedBeforeASourceThatBreaksEndsTheRun() {
    assertThatThrownBy(() -> run(i -> false, DOCUMENTS - 1, 0))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("Cannot read and tokenise made-up documents")
        .hasMessageContaining("the source is gone");
    assertThat(knownAtWaves).isNotEmpty();
    assertThat(committed("ok")).isBetween(1L, DOCUMENTS - 1L);
    assertThat(committed).hasSameSizeAs(knownAtWaves);
  }
}
