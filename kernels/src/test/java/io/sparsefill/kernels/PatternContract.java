package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * What patterns must become on every backend: the scores that they and the backend's own estimates
 * name, or all of them where that is not dearer. The oracle is {@link DenseMaskOracle} over the
 * host's index of those lines and tiles.
 */
public abstract class PatternContract extends BackendContract {
  private static final int TILE = TileIndex.TILE;

  @Test
  void patternsComputeWhatTheirEstimatesSelect() {
    // Oracle: the dense mask of the lines and tiles that the backend's estimate names.
    try (ErrorBudget budget = budget("patterns against the dense mask")) {
      for (int tokens : new int[] {1, 63, 64, 65, 127, 129, 1000}) {
        for (int window : new int[] {0, 1, 48, 100}) {
          AttentionShape shape = AttentionInput.shape(tokens, 4, 1, 64, window);
          int firstTile = (TileIndex.tiles(tokens) - 1) / 2;
          comparePatterns(shape, firstTile, budget);
        }
      }
    }
  }

  private void comparePatterns(AttentionShape shape, int firstTile, ErrorBudget budget) {
    List<HeadPattern> searched =
        List.of(
            new HeadPattern.VerticalSlash(40, 120),
            new HeadPattern.BlockSparse(1),
            new HeadPattern.Dense(),
            new HeadPattern.AShape(20, 70));
    comparePatterns(searched, shape, firstTile, budget);
    List<HeadPattern> baselines =
        List.of(
            new HeadPattern.VerticalOnly(40),
            new HeadPattern.SlashOnly(120),
            new HeadPattern.TriShape(20, 70, 100),
            new HeadPattern.Dilated(20, 70, 150));
    comparePatterns(baselines, shape, firstTile, budget);
    // Sizes beyond the document are all of it.
    List<HeadPattern> large =
        List.of(
            new HeadPattern.VerticalOnly(999_999_999),
            new HeadPattern.SlashOnly(999_999_999),
            new HeadPattern.TriShape(999_999_999, 999_999_999, 999_999_999),
            new HeadPattern.Dilated(999_999_999, 999_999_999, 999_999_999));
    comparePatterns(large, shape, firstTile, budget);
  }

  private void comparePatterns(
      List<HeadPattern> patterns, AttentionShape shape, int firstTile, ErrorBudget budget) {
    AttentionInput input = AttentionInput.random(shape, 2, shape.tokens());
    Backend backend = device.backend();
    int width = shape.heads() * shape.headDim();
    try (Tensor q = backend.upload(input.q(), "q");
        Tensor k = backend.upload(input.k(), "k");
        Tensor v = backend.upload(input.v(), "v");
        Tensor out = backend.upload(ArrayMatrix.of(shape.tokens(), width, 0), "out")) {
      TileIndex expected = PatternTiles.of(device, patterns, shape, firstTile, q, k);
      AttentionCost cost;
      try (AttentionIndex index = backend.index(patterns, shape, false, firstTile, q, k)) {
        backend.attention(index, shape, q, k, v, out);
        cost = index.cost();
      }
      backend.complete();
      assertThat(cost.sparseHeads()).isEqualTo(patterns.contains(new HeadPattern.Dense()) ? 3 : 4);
      assertThat(cost.computedTiles()).isEqualTo(expected.computedTiles());
      assertThat(cost.causalTiles()).isEqualTo(expected.causalTiles());
      assertThat(cost.seconds()).isBetween(1e-9, 100.0);
      float[] zero = new float[firstTile * TILE * width];
      budget.spend(
          backend.read(out), DenseMaskOracle.attention(expected, input, zero), shape.toString());
    }
  }

  @Test
  void linesOfOneDocumentServeAnother() {
    // Oracle: the dense mask of the lines that the first document's index names.
    int first = 700;
    HeadPattern.VerticalSlash pattern = new HeadPattern.VerticalSlash(40, 120);
    List<HeadPattern.GivenLines> lines = new ArrayList<>();
    AttentionShape shape = AttentionInput.shape(first, 4, 2, 64, 0);
    AttentionInput input = AttentionInput.random(shape, 2, 41);
    Backend backend = device.backend();
    try (Tensor q = backend.upload(input.q(), "q");
        Tensor k = backend.upload(input.k(), "k")) {
      try (AttentionIndex index =
          backend.index(Collections.nCopies(4, pattern), shape, false, 0, q, k)) {
        lines.addAll(index.lines());
      }
      for (int head = 0; head < 4; head++) {
        LineSelection expected = device.lines(pattern, head, shape, q, k);
        assertThat(lines.get(head).verticals()).isEqualTo(expected.verticals());
        assertThat(lines.get(head).distances()).isEqualTo(expected.distances());
      }
    }
    try (ErrorBudget budget = budget("lines of another document against the dense mask")) {
      for (int tokens : new int[] {1, 29, 65, 300, 700, 1500}) {
        // Estimated lines may lie between given ones; lines beyond the document have no effect.
        List<HeadPattern> mixed =
            List.of(
                lines.get(0).within(tokens), pattern, lines.get(2), new HeadPattern.SlashOnly(130));
        AttentionShape other = AttentionInput.shape(tokens, 4, 2, 64, tokens == 300 ? 100 : 0);
        comparePatterns(mixed, other, (TileIndex.tiles(tokens) - 1) / 2, budget);
      }
    }
  }

  @Test
  void linesAreToldOfHeadsThatHaveThemAlone() {
    AttentionShape shape = AttentionInput.shape(100, 2, 1, 64, 0);
    AttentionInput input = AttentionInput.random(shape, 2, 43);
    List<HeadPattern> patterns =
        List.of(new HeadPattern.VerticalOnly(40), new HeadPattern.AShape(1, 1));
    try (Tensor q = device.backend().upload(input.q(), "q");
        Tensor k = device.backend().upload(input.k(), "k");
        AttentionIndex index = device.backend().index(patterns, shape, false, 0, q, k)) {
      assertThatThrownBy(index::lines)
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("Cannot tell the lines of head 1: its pattern has none");
    }
  }

  @Test
  void theEstimateHoldsTheMassThatTheBestLinesHold() {
    // Oracle: line scores in double, the best lines by sorting them.
    List<HeadPattern.Lines> patterns =
        List.of(
            new HeadPattern.VerticalSlash(60, 150),
            new HeadPattern.VerticalOnly(60),
            new HeadPattern.SlashOnly(150));
    for (int tokens : new int[] {50, 200, 1000}) {
      for (int window : new int[] {0, 300}) {
        AttentionShape shape = AttentionInput.shape(tokens, 4, 2, 64, window);
        AttentionInput input = AttentionInput.random(shape, 3, 23);
        try (Tensor q = device.backend().upload(input.q(), "q");
            Tensor k = device.backend().upload(input.k(), "k")) {
          for (int head = 0; head < shape.heads(); head++) {
            LineScores scores = LineScores.of(input, head);
            for (HeadPattern.Lines pattern : patterns) {
              var lines = device.lines(pattern, head, shape, q, k);
              String what = "%s of %s, head %d".formatted(pattern, shape, head);
              scores.assertHolds(lines, scores.best(pattern), 0.9999, what);
            }
          }
        }
      }
    }
  }

  @Test
  void aHeadRunsDenselyWhereItsPatternIsNotCheaper() {
    List<HeadPattern> patterns =
        List.of(
            new HeadPattern.VerticalSlash(30, 100),
            new HeadPattern.BlockSparse(3),
            new HeadPattern.AShape(64, 256));
    // Tokens, and the heads that stay sparse. At 300 tokens dense attention has 15 tiles: 3 blocks
    // need 12, the lines 12 and their estimate 5 or more, the A-shape 15. At 6,000 tokens, where it
    // has 4465, the estimate may cost half of them.
    int[][] cases = {{1, 0}, {64, 0}, {65, 0}, {190, 0}, {300, 1}, {6000, 3}};
    for (int[] sizes : cases) {
      AttentionShape shape = AttentionInput.shape(sizes[0], 3, 1, 32, 0);
      AttentionInput input = AttentionInput.random(shape, 1, 31);
      Backend backend = device.backend();
      try (Tensor q = backend.upload(input.q(), "q");
          Tensor k = backend.upload(input.k(), "k");
          AttentionIndex index = backend.index(patterns, shape, true, 0, q, k)) {
        AttentionCost cost = index.cost();
        assertThat(cost.sparseHeads()).as("T=%d", sizes[0]).isEqualTo(sizes[1]);
        assertThat(cost.computedTiles())
            .isLessThanOrEqualTo(cost.causalTiles())
            .isGreaterThanOrEqualTo(sizes[1] == 0 ? cost.causalTiles() : 1);
        // What is decided must not depend on the rows that are read.
        int last = TileIndex.tiles(shape.tokens()) - 1;
        try (AttentionIndex lastRows = backend.index(patterns, shape, true, last, q, k)) {
          assertThat(lastRows.cost().sparseHeads())
              .as("T=%d, last tile", sizes[0])
              .isEqualTo(sizes[1]);
        }
      }
    }
  }

  @Test
  void patternsMustBeOnePerHead() {
    AttentionShape shape = AttentionInput.shape(10, 3, 1, 32, 0);
    AttentionInput input = AttentionInput.random(shape, 1, 31);
    try (Tensor q = device.backend().upload(input.q(), "q");
        Tensor k = device.backend().upload(input.k(), "k")) {
      List<HeadPattern> two = List.of(new HeadPattern.Dense(), new HeadPattern.Dense());
      assertThatThrownBy(() -> device.backend().index(two, shape, false, 0, q, k))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("2 patterns for 3 heads");
    }
  }

  private ErrorBudget budget(String family) {
    return new ErrorBudget(device.backend().device() + ": " + family, device.tolerance());
  }
}
