package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.attention.TileIndex;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * What the attention operator of every backend must hold. The oracle is {@link DenseMaskOracle}:
 * the tile index expanded to a mask, softmax in double. Outputs are NaN before each run, and the
 * rows around them are canaries.
 */
public abstract class AttentionContract extends BackendContract {
  private static final int TILE = TileIndex.TILE;

  @Test
  void everyKindOfIndexAtOddLengthsMatchesTheDenseMaskOracle() {
    try (ErrorBudget budget = budget("odd lengths against the dense mask")) {
      for (int tokens : new int[] {1, 63, 64, 65, 127, 129, 1000, 1100}) {
        compareEveryKind(AttentionInput.shape(tokens, 2, 1, 64, 0), 0, budget);
      }
    }
  }

  @Test
  void everyGroupSizeAndHeadDimMatchesTheDenseMaskOracle() {
    try (ErrorBudget budget = budget("GQA and head_dim against the dense mask")) {
      for (int headDim : new int[] {32, 64, 80, 96, 128}) {
        for (int group : new int[] {1, 4, 7, 8}) {
          int kvHeads = group == 8 ? 1 : 2;
          compareEveryKind(
              AttentionInput.shape(130, group * kvHeads, kvHeads, headDim, 0), 0, budget);
        }
      }
    }
  }

  @Test
  void slidingWindowsMatchTheDenseMaskOracle() {
    try (ErrorBudget budget = budget("sliding windows against the dense mask")) {
      for (int tokens : new int[] {1, 64, 65, 300}) {
        for (int window : new int[] {1, 48, 64, 100, 301}) {
          compareEveryKind(AttentionInput.shape(tokens, 2, 1, 64, window), 0, budget);
        }
      }
    }
  }

  @Test
  void rowsBeforeTheFirstQueryTileStayAsTheyAre() {
    try (ErrorBudget budget = budget("later query tiles against the dense mask")) {
      for (int window : new int[] {0, 100}) {
        for (int tokens : new int[] {129, 320, 330}) {
          for (int firstTile : new int[] {1, (tokens - 1) / TILE}) {
            compareEveryKind(AttentionInput.shape(tokens, 4, 2, 64, window), firstTile, budget);
          }
        }
      }
    }
  }

  /**
   * What follows a kept cache: the first rows of larger tensors, of which the queries before the
   * chunk, in its first query tile, are those of something else.
   */
  @Test
  void aChunkSeesTheKeysBeforeItAndNothingBehind() {
    try (ErrorBudget budget = budget("chunks against the dense mask")) {
      for (int window : new int[] {0, 100}) {
        for (int[] sizes : new int[][] {{1, 1}, {40, 3}, {65, 1}, {129, 70}, {330, 9}, {1000, 1}}) {
          compareChunk(AttentionInput.shape(sizes[0], 4, 2, 64, window), sizes[1], budget);
        }
      }
    }
  }

  private void compareChunk(AttentionShape shape, int chunk, ErrorBudget budget) {
    int firstRow = shape.tokens() - chunk;
    int firstTile = firstRow / TILE;
    int width = shape.heads() * shape.headDim();
    TileIndex tiles = RandomTiles.everyKind(shape, firstTile, 1).get("dense");
    AttentionInput input = AttentionInput.random(shape, 2, shape.tokens());
    double[] expected =
        DenseMaskOracle.attention(tiles, input, new float[firstTile * TILE * width]);
    Arrays.fill(input.q().values(), firstTile * TILE * width, firstRow * width, 1000);
    Backend backend = device.backend();
    try (Tensor q = backend.upload(behindIsNan(input.q()), "q");
        Tensor k = backend.upload(behindIsNan(input.k()), "k");
        Tensor v = backend.upload(behindIsNan(input.v()), "v")) {
      Tensor queries = q.rows(0, shape.tokens());
      Tensor keys = k.rows(0, shape.tokens());
      List<HeadPattern> dense = Collections.nCopies(shape.heads(), new HeadPattern.Dense());
      try (AttentionIndex index = backend.index(dense, shape, false, firstTile, queries, keys)) {
        backend.attention(index, shape, queries, keys, v.rows(0, shape.tokens()), queries);
      }
      backend.complete();
      budget.spend(
          backend.read(q.rows(firstRow, chunk)),
          Arrays.copyOfRange(expected, firstRow * width, expected.length),
          "chunk of %d, %s".formatted(chunk, shape));
    }
  }

  /** The same rows, and some more that are NaN. */
  private static ArrayMatrix behindIsNan(ArrayMatrix matrix) {
    ArrayMatrix longer = ArrayMatrix.of((int) matrix.rows() + TILE + 16, matrix.cols(), Float.NaN);
    System.arraycopy(matrix.values(), 0, longer.values(), 0, matrix.values().length);
    return longer;
  }

  private void compareEveryKind(AttentionShape shape, int firstTile, ErrorBudget budget) {
    AttentionInput input = AttentionInput.random(shape, 2, shape.tokens());
    Map<String, TileIndex> kinds = RandomTiles.everyKind(shape, firstTile, shape.tokens());
    for (Map.Entry<String, TileIndex> kind : kinds.entrySet()) {
      String what = "%s, first tile %d, %s".formatted(kind.getKey(), firstTile, shape);
      TileIndex tiles = kind.getValue();
      float[] apart = run(input, tiles, false);
      int firstRow = firstTile * TILE * shape.heads() * shape.headDim();
      float[] before = Arrays.copyOf(apart, firstRow);
      assertThat(before).as("rows before the first tile: %s", what).containsOnly(untouched(before));
      Arrays.fill(apart, 0, firstRow, 0);
      float[] nothing = new float[firstRow];
      budget.spend(apart, DenseMaskOracle.attention(tiles, input, nothing), what);

      float[] inPlace = run(input, tiles, true);
      assertThat(Arrays.copyOf(inPlace, firstRow))
          .as("queries before the first tile: %s", what)
          .isEqualTo(Arrays.copyOf(input.q().values(), firstRow));
      Arrays.fill(inPlace, 0, firstRow, 0);
      assertThat(inPlace).as("out is q: %s", what).isEqualTo(apart);
    }
  }

  private static float[] untouched(float[] rows) {
    return rows.length == 0 ? rows : new float[] {Float.NaN};
  }

  @Test
  void largeLogitsMatchTheDenseMaskOracleWithoutOverflow() {
    double deviation = 1e4;
    // A logit of 5e4 is known to about 2^-24 of itself in fp32, and its error is the weight's
    // relative error.
    double logitError = 5 * deviation * 0x1p-24;
    try (ErrorBudget budget =
        new ErrorBudget("logits of 1e4 against the dense mask", logitError + device.tolerance())) {
      for (int window : new int[] {0, 64}) {
        AttentionShape shape = AttentionInput.shape(200, 2, 1, 64, window);
        AttentionInput input = AttentionInput.random(shape, deviation, 17);
        RandomTiles.everyKind(shape, 0, 17)
            .forEach(
                (kind, tiles) ->
                    budget.spend(
                        run(input, tiles, false),
                        DenseMaskOracle.attention(tiles, input, new float[0]),
                        kind));
      }
    }
  }

  @Test
  void equalLogitsGiveTheMeanOfTheVisibleValues() {
    // Oracle: with keys 0 every weight is 1, so the output is the plain mean.
    AttentionShape shape = AttentionInput.shape(130, 1, 1, 64, 0);
    AttentionInput random = AttentionInput.random(shape, 1, 3);
    AttentionInput input =
        new AttentionInput(shape, random.q(), ArrayMatrix.of(130, 64, 0), random.v());
    double[] mean = new double[130 * 64];
    for (int q = 0; q < 130; q++) {
      for (int c = 0; c < 64; c++) {
        double sum = 0;
        for (int key = 0; key <= q; key++) {
          sum += input.v().at(key, c);
        }
        mean[q * 64 + c] = sum / (q + 1);
      }
    }
    try (ErrorBudget budget = budget("equal logits against the mean")) {
      TileIndex dense = RandomTiles.everyKind(shape, 0, 3).get("dense");
      budget.spend(run(input, dense, false), mean, "dense");
    }
  }

  @Test
  void nanInQueriesOrKeysIsAnErrorWhereverItLies() {
    AttentionShape shape = AttentionInput.shape(200, 2, 1, 64, 0);
    // Positions at the begin, in the middle and at the end of tiles and of vectors; both a quiet
    // NaN and one with a payload, as a damaged fp32 file may hold.
    float[] nans = {Float.NaN, Float.intBitsToFloat(0xffc0_1234)};
    for (int firstTile : new int[] {0, 2}) {
      RandomTiles.everyKind(shape, firstTile, 5)
          .forEach(
              (kind, tiles) -> {
                for (float nan : nans) {
                  for (int token : new int[] {0, 7, 15, 16, 63, 64, 100, 128, 150, 199}) {
                    if (token >= firstTile * TILE) {
                      assertNanIsSeen(poison(shape, token, nan, true), tiles, kind + ", q", token);
                    }
                    if (seen(tiles, token)) {
                      assertNanIsSeen(poison(shape, token, nan, false), tiles, kind + ", k", token);
                    }
                  }
                }
              });
    }
  }

  @Test
  void anErrorIsThrownOnceAndLeavesTheNextDocumentAlone() {
    AttentionShape shape = AttentionInput.shape(200, 2, 1, 64, 0);
    TileIndex tiles = RandomTiles.everyKind(shape, 0, 5).get("dense");
    assertNanIsSeen(poison(shape, 70, Float.NaN, false), tiles, "dense", 70);
    device.backend().complete();
    float[] out = run(AttentionInput.random(shape, 1, 9), tiles, false);
    assertThat(out).doesNotContain(Float.NaN);
  }

  @Test
  void nanThatAPatternsEstimateSeesIsAnError() {
    List<HeadPattern> patterns =
        List.of(
            new HeadPattern.VerticalSlash(30, 100),
            new HeadPattern.ChosenLines(
                new HeadPattern.VerticalSlash(30, 100), new LineChoice(8, true)),
            new HeadPattern.BlockSparse(2));
    AttentionShape shape = AttentionInput.shape(300, 2, 1, 64, 0);
    for (HeadPattern pattern : patterns) {
      for (boolean query : new boolean[] {true, false}) {
        AttentionInput input = poison(shape, 290, Float.NaN, query);
        Backend backend = device.backend();
        try (Tensor q = backend.upload(input.q(), "q");
            Tensor k = backend.upload(input.k(), "k")) {
          assertThatThrownBy(
                  () -> {
                    List<HeadPattern> both = List.of(pattern, pattern);
                    backend.index(both, shape, false, 0, q, k).close();
                    backend.complete();
                  })
              .as("%s, NaN in %s", pattern, query ? "q" : "k")
              .isInstanceOf(ArithmeticException.class)
              .hasMessageContaining("NaN");
        }
      }
    }
  }

  /** Whether any computed query may see the key. */
  private static boolean seen(TileIndex tiles, int key) {
    AttentionShape shape = tiles.shape();
    for (int head = 0; head < shape.heads(); head++) {
      for (int m = tiles.firstTile(); m < TileIndex.tiles(shape.tokens()); m++) {
        boolean causal = key < Math.min(shape.tokens(), (m + 1) * TILE);
        if (causal && DenseMaskOracle.named(tiles, head, m)[key]) {
          return true;
        }
      }
    }
    return false;
  }

  private static AttentionInput poison(AttentionShape shape, int token, float nan, boolean query) {
    AttentionInput input = AttentionInput.random(shape, 1, 9);
    ArrayMatrix poisoned = query ? input.q() : input.k();
    poisoned.values()[token * poisoned.cols() + 3] = nan;
    return input;
  }

  private void assertNanIsSeen(AttentionInput input, TileIndex tiles, String what, int token) {
    assertThatThrownBy(() -> run(input, tiles, false))
        .as("NaN in %s of token %d, first tile %d", what, token, tiles.firstTile())
        .isInstanceOf(ArithmeticException.class)
        .hasMessageContaining("query");
  }

  /** Runs over NaN between two canary rows, or in place of the queries. */
  private float[] run(AttentionInput input, TileIndex tiles, boolean inPlace) {
    AttentionShape shape = input.shape();
    Backend backend = device.backend();
    int tokens = shape.tokens();
    int width = shape.heads() * shape.headDim();
    try (Tensor q = backend.upload(input.q(), "q");
        Tensor k = backend.upload(input.k(), "k");
        Tensor v = backend.upload(input.v(), "v");
        Tensor canaries = backend.upload(ArrayMatrix.of(tokens + 2, width, Float.NaN), "out");
        AttentionIndex index = device.index(tiles, k)) {
      Tensor out = inPlace ? q : canaries.rows(1, tokens);
      backend.attention(index, shape, q, k, v, out);
      backend.complete();
      assertThat(backend.read(canaries.rows(0, 1))).containsOnly(Float.NaN);
      assertThat(backend.read(canaries.rows(tokens + 1, 1))).containsOnly(Float.NaN);
      return backend.read(out);
    }
  }

  private ErrorBudget budget(String family) {
    return new ErrorBudget(device.backend().device() + ": " + family, device.tolerance());
  }
}
