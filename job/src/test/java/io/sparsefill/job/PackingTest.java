package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Oracle: no plan can end before max(total / slots, longest document). */
class PackingTest {
  private static final CostModel COST = new CostModel(8e-5, 2.6e-10, 0.1);

  private static List<DocumentSummary> logNormal(int count, long seed) {
    return logNormal(count, seed, 1_000_000);
  }

  private static List<DocumentSummary> logNormal(int count, long seed, int longest) {
    Random random = new Random(seed);
    List<DocumentSummary> documents = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int tokens = (int) Math.min(longest, Math.exp(9.5 + 1.1 * random.nextGaussian()));
      documents.add(document(i, Math.max(1, tokens)));
    }
    return documents;
  }

  private static DocumentSummary document(int i, int tokens) {
    return new DocumentSummary("d" + i, "", tokens, "file" + i, DocumentStatus.OK, null);
  }

  private static double lowerBound(List<DocumentSummary> documents, int slots) {
    double total = documents.stream().mapToDouble(COST::seconds).sum();
    double longest = documents.stream().mapToDouble(COST::seconds).max().orElse(0);
    return Math.max(total / slots, longest);
  }

  @Test
  void tenThousandDocumentsAreWithinFivePercentOfTheLowerBound() {
    List<DocumentSummary> documents = logNormal(10_000, 7);
    reportHead();
    for (int slots : new int[] {8, 64, 512}) {
      double bound = lowerBound(documents, slots);
      for (int each : new int[] {1, 4}) {
        List<PlannedWave> one = Packing.waves(documents, COST, slots, each, 1e9);
        assertThat(one.size()).isEqualTo(1);
        report(slots, each, 1, one.get(0).seconds(), bound);
        assertThat(one.get(0).seconds()).isLessThanOrEqualTo(1.05 * bound);
      }
    }
  }

  @Test
  void manyWavesPayLittleAtTheirEnds() {
    List<DocumentSummary> documents = logNormal(10_000, 7, 60_000);
    reportHead();
    for (int slots : new int[] {8, 64, 512}) {
      double bound = lowerBound(documents, slots);
      for (int each : new int[] {1, 4}) {
        List<PlannedWave> waves = Packing.waves(documents, COST, slots, each, bound / 8);
        double sum = waves.stream().mapToDouble(PlannedWave::seconds).sum();
        report(slots, each, waves.size(), sum, bound);
        assertThat(waves.size()).isGreaterThan(3);
        assertThat(sum).isLessThanOrEqualTo(1.10 * bound);
      }
    }
  }

  private static void reportHead() {
    System.out.printf(
        "%5s %8s %6s %10s %10s %7s%n", "slots", "binsEach", "waves", "seconds", "bound", "over");
  }

  private static void report(int slots, int each, int waves, double seconds, double bound) {
    System.out.printf(
        "%5d %8d %6d %10.1f %10.1f %6.2f%%%n",
        slots, each, waves, seconds, bound, 100 * (seconds / bound - 1));
  }

  @Test
  void planIsTheSameInWhateverOrderTheDocumentsCome() {
    List<DocumentSummary> documents = logNormal(500, 3);
    List<PlannedWave> plan = Packing.waves(documents, COST, 4, 3, 30);
    Collections.shuffle(documents, new Random(1));
    assertThat(Packing.waves(documents, COST, 4, 3, 30)).isEqualTo(plan);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 7, 63, 64, 65, 1000})
  void everyDocumentIsInOneBinAndBinsAreHeaviestFirst(int count) {
    List<DocumentSummary> documents = logNormal(count, count);
    List<PlannedWave> waves = Packing.waves(documents, COST, 8, 2, 20);
    List<DocumentSummary> packed = new ArrayList<>();
    for (PlannedWave wave : waves) {
      assertThat(wave.bins()).isNotEmpty().hasSizeLessThanOrEqualTo(16);
      double before = Double.POSITIVE_INFINITY;
      for (Bin bin : wave.bins()) {
        assertThat(bin.documents()).isNotEmpty();
        assertThat(bin.seconds()).isLessThanOrEqualTo(before);
        assertThat(bin.seconds())
            .isCloseTo(
                bin.documents().stream().mapToDouble(COST::seconds).sum(),
                org.assertj.core.data.Percentage.withPercentage(1e-6));
        assertThat(bin.documents())
            .isSortedAccordingTo((x, y) -> Integer.compare(y.tokenCount(), x.tokenCount()));
        before = bin.seconds();
        packed.addAll(bin.documents());
      }
    }
    assertThat(packed).containsExactlyInAnyOrderElementsOf(documents);
  }

  @Test
  void wavesAreAboutAsLongAsAskedForAndNeverShorterThanTheirLongestDocument() {
    List<DocumentSummary> documents = logNormal(2000, 11);
    double asked = 60;
    List<PlannedWave> waves = Packing.waves(documents, COST, 8, 1, asked);
    assertThat(waves).hasSizeGreaterThan(3);
    for (PlannedWave wave : waves) {
      double longest =
          wave.bins().stream()
              .flatMap(bin -> bin.documents().stream())
              .mapToDouble(COST::seconds)
              .max()
              .orElseThrow();
      assertThat(wave.seconds()).isBetween(longest, 1.5 * Math.max(asked, longest));
    }
  }

  @Test
  void equalDocumentsFillWholeRounds() {
    List<DocumentSummary> documents = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      documents.add(document(i, 50_000));
    }
    double each = COST.seconds(50_000);
    for (PlannedWave wave : Packing.waves(documents, COST, 8, 1, 1.5 * each)) {
      assertThat(wave.documents() % 8).isZero();
    }
  }

  @Test
  void whatIsNotToBePrefilledIsLeftOut() {
    List<DocumentSummary> documents =
        List.of(
            document(0, 10),
            document(1, 10).failed("x"),
            new DocumentSummary("s", "", 0, "s", DocumentStatus.SKIPPED, "long"),
            new DocumentSummary("t", "", 5, "t", DocumentStatus.TRUNCATED, "cut"));
    List<PlannedWave> waves = Packing.waves(documents, COST, 2, 1, 10);
    assertThat(waves).hasSize(1);
    assertThat(waves.get(0).documents()).isEqualTo(2);
    assertThat(waves.get(0).tokens()).isEqualTo(15);
  }

  @Test
  void makespanIsListScheduling() {
    // By hand: slot 1 takes 5, then 2; slot 2 takes 4, then 3.
    assertThat(Packing.makespan(new double[] {5, 4, 3, 2}, 2)).isEqualTo(7);
    assertThat(Packing.makespan(new double[] {5}, 2)).isEqualTo(5);
    assertThat(Packing.makespan(new double[] {}, 2)).isZero();
  }

  @Test
  void nonsenseIsRefused() {
    assertThatThrownBy(() -> Packing.waves(List.of(), COST, 0, 1, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("0 slots");
    assertThatThrownBy(() -> Packing.waves(List.of(), COST, 1, 1, 0))
        .hasMessageContaining("all must be positive");
  }
}
