package io.sparsefill.kernels.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.AttentionCost;
import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.attention.IndexBuilders;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;
import io.sparsefill.kernels.cpu.CpuBackend;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The lines that the benchmark plants are those that the CPU backend's estimate chooses. */
class PlantedHeadsTest {
  @ParameterizedTest
  @CsvSource({
    "4096, 1000, 1200, 128",
    "4096, 30, 800, 64",
    "4096, 500, 700, 128",
    "4095, 100, 800, 64",
    "4200, 3500, 100, 128",
    "8192, 1000, 6096, 128"
  })
  void estimateChoosesThePlantedLines(int tokens, int vertical, int slash, int d) {
    AttentionShape shape = new AttentionShape(tokens, 4, 1, d, (float) (1 / Math.sqrt(d)), 0);
    HeadPattern.VerticalSlash pattern = new HeadPattern.VerticalSlash(vertical, slash);
    PlantedHeads heads = PlantedHeads.of(shape, pattern);
    AttentionShape one = new AttentionShape(tokens, 1, 1, d, shape.scale(), 0);
    long expected = 0;
    for (int head = 0; head < shape.heads(); head++) {
      LineSelection lines = heads.sets().get(heads.setOf(head));
      expected +=
          TileIndex.of(
                  one,
                  0,
                  List.of(
                      IndexBuilders.verticalSlash(one, 0, lines.verticals(), lines.distances())))
              .computedTiles();
    }
    try (CpuBackend backend = new CpuBackend(2);
        Tensor q = backend.upload(PlantedHeads.queries(shape), "queries");
        Tensor k = backend.upload(heads.keys(), "keys");
        AttentionIndex index =
            backend.index(Collections.nCopies(4, pattern), shape, false, 0, q, k)) {
      AttentionCost cost = index.cost();
      assertThat(cost.computedTiles()).isEqualTo(expected);
      assertThat(cost.sparseHeads()).isEqualTo(4);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "131072, 1000, 6096, 3048, 96",
    "131072, 30, 800, 400, 13",
    "32768, 3500, 100, 100, 0"
  })
  void halfOfTheDistancesAreLocalAndHalfLieInBursts(
      int tokens, int vertical, int slash, int local, int bursts) {
    LineSelection lines =
        PlantedLines.of(new HeadPattern.VerticalSlash(vertical, slash), tokens, 1);
    assertThat(lines.distances()).hasSize(slash).doesNotHaveDuplicates();
    assertThat(lines.verticals()).hasSize(vertical).doesNotHaveDuplicates().isSorted();
    assertThat(Arrays.stream(lines.distances()).filter(distance -> distance < local).count())
        .isEqualTo(local);
    assertThat(PlantedLines.describe(lines))
        .startsWith("%,d local, %d bursts".formatted(local, bursts));
  }
}
