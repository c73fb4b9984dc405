package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.junit.jupiter.api.Test;

/** Oracle: the plan. Adaptive query execution is on in this session, and joins small partitions. */
class PackedDocumentsTest {
  private static final CostModel COST = new CostModel(1.4e-4, 9e-8, 0.02);

  private final JavaSparkContext spark =
      JavaSparkContext.fromSparkContext(TestSpark.session().sparkContext());

  private JavaRDD<TokenizedDocument> documents(int count) {
    List<byte[]> rows = new ArrayList<>();
    Random random = new Random(2);
    for (int i = 0; i < count; i++) {
      int[] tokens = random.ints(1 + random.nextInt(300), 0, 1000).toArray();
      boolean bad = i % 10 == 9;
      rows.add(
          JavaBytes.of(
              new TokenizedDocument(
                  "d" + i,
                  "file" + i,
                  "sha" + i,
                  bad ? new int[0] : tokens,
                  bad ? DocumentStatus.FAILED : DocumentStatus.OK,
                  bad ? "bad" : null,
                  null)));
    }
    return spark.parallelize(rows, 5).map(TokenizedCorpus::document);
  }

  private static List<List<String>> partitions(JavaRDD<TokenizedDocument> wave) {
    return wave.map(d -> d.docId() + ":" + d.tokenIds().length).glom().collect();
  }

  private static List<List<String>> planned(PlannedWave wave) {
    return wave.bins().stream()
        .map(b -> b.documents().stream().map(d -> d.docId() + ":" + d.tokenCount()).toList())
        .toList();
  }

  @Test
  void whatCannotBeReadFailsAndLeavesNothingStored() {
    JavaRDD<TokenizedDocument> broken =
        documents(20)
            .map(
                document -> {
                  if (document.docId().equals("d19")) {
                    throw new IllegalStateException("the source is gone");
                  }
                  return document;
                });
    Set<Integer> before = Set.copyOf(spark.getPersistentRDDs().keySet());
    assertThatThrownBy(() -> TokenizedCorpus.whole(broken))
        .isInstanceOf(CompletionException.class)
        .hasMessageContaining("the source is gone");
    assertThat(spark.getPersistentRDDs().keySet()).isEqualTo(before);
  }

  @Test
  void everyBinIsAPartitionWithItsDocumentsLongestFirst() {
    assertThat(TestSpark.session().conf().get("spark.sql.adaptive.enabled")).isEqualTo("true");
    try (TokenizedCorpus corpus = TokenizedCorpus.whole(documents(100))) {
      assertThat(corpus.summaries()).hasSize(100);
      List<PlannedWave> plan = Packing.waves(corpus.summaries(), COST, 3, 2, 0.5);
      assertThat(plan).hasSizeGreaterThan(1);
      PackedDocuments packed = corpus.pack(plan);
      for (int wave = 0; wave < plan.size(); wave++) {
        assertThat(partitions(packed.wave(wave))).isEqualTo(planned(plan.get(wave)));
      }
      // Waves can be run again, and in any order.
      assertThat(partitions(packed.wave(0))).isEqualTo(planned(plan.get(0)));
    }
  }

  @Test
  void aWaveRunsItsOwnBinsOnlyAndTheShuffleIsWrittenOnce() throws Exception {
    try (TokenizedCorpus corpus = TokenizedCorpus.whole(documents(60))) {
      List<PlannedWave> plan = Packing.waves(corpus.summaries(), COST, 2, 1, 0.4);
      assertThat(plan).hasSizeGreaterThan(1);
      PackedDocuments packed = corpus.pack(plan);
      long first = tasks(() -> packed.wave(0).count());
      assertThat(first).isEqualTo(5 + plan.get(0).bins().size()); // 5 stored partitions
      for (int wave = 1; wave < plan.size(); wave++) {
        int index = wave;
        assertThat(tasks(() -> packed.wave(index).count())).isEqualTo(plan.get(wave).bins().size());
      }
    }
  }

  /** How many tasks an action runs. */
  private long tasks(Runnable action) throws Exception {
    AtomicInteger ended = new AtomicInteger();
    SparkListener listener =
        new SparkListener() {
          @Override
          public void onTaskEnd(SparkListenerTaskEnd end) {
            ended.incrementAndGet();
          }
        };
    spark.sc().addSparkListener(listener);
    try {
      action.run();
      spark.sc().listenerBus().waitUntilEmpty();
      return ended.get();
    } finally {
      spark.sc().removeSparkListener(listener);
    }
  }

  @Test
  void sectionsGiveTheSameDocumentsInTheSameOrderAndWhatIsKnownCanBePacked() throws Exception {
    List<DocumentSummary> whole;
    try (TokenizedCorpus corpus = TokenizedCorpus.whole(documents(100))) {
      whole = List.copyOf(corpus.summaries());
    }
    try (TokenizedCorpus corpus = TokenizedCorpus.of(documents(100))) {
      assertThat(corpus.summaries()).isEmpty();
      List<DocumentSummary> first = corpus.take(corpus.begin(2, 1));
      assertThat(first).isEqualTo(whole.subList(0, 40)); // 20 in each partition
      assertThat(corpus.isWhole()).isFalse();
      List<PlannedWave> plan = Packing.waves(first, COST, 2, 1, 100);
      PackedDocuments packed = corpus.pack(plan);
      assertThat(tasks(() -> packed.wave(0).count())).isEqualTo(2 + plan.get(0).bins().size());
      assertThat(partitions(packed.wave(0))).isEqualTo(planned(plan.get(0)));

      corpus.take(corpus.begin(5, 2)); // two tasks for three partitions
      assertThat(corpus.isWhole()).isTrue();
      assertThat(corpus.summaries()).isEqualTo(whole);
      plan = Packing.waves(corpus.summaries(), COST, 2, 1, 100);
      assertThat(partitions(corpus.pack(plan).wave(0))).isEqualTo(planned(plan.get(0)));
    }
  }

  @Test
  void aDocumentThatIsMissingOrPlannedTwiceIsNotPassedOver() throws IOException {
    try (TokenizedCorpus corpus = TokenizedCorpus.whole(documents(5))) {
      List<DocumentSummary> more = new ArrayList<>(corpus.summaries());
      more.add(new DocumentSummary("new", "", 7, "gone", DocumentStatus.OK, null));
      List<PlannedWave> plan = Packing.waves(more, COST, 1, 1, 100);
      PackedDocuments packed = corpus.pack(plan);
      assertThatThrownBy(() -> packed.wave(0).count())
          .hasStackTraceContaining("6 documents were planned and 5 are found");
      DocumentSummary one = corpus.summaries().get(0);
      assertThatThrownBy(() -> corpus.pack(Packing.waves(List.of(one, one), COST, 1, 1, 100)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("Cannot pack document 'd0': file0 is planned twice");
    }
  }

  @Test
  void anEmptyCorpusGivesAnEmptyPlan() {
    try (TokenizedCorpus corpus = TokenizedCorpus.whole(documents(0))) {
      assertThat(corpus.summaries()).isEmpty();
      assertThat(Packing.waves(corpus.summaries(), COST, 4, 1, 10)).isEmpty();
    }
  }
}
