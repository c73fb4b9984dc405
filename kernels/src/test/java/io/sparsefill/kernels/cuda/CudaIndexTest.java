package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.ArrayMatrix;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.Workers;
import io.sparsefill.kernels.attention.EstimateCost;
import io.sparsefill.kernels.attention.HeadIndexing;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;
import io.sparsefill.kernels.attention.TopK;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import jcuda.Pointer;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The index that the device builds. The oracles are the host's: {@link TopK} for the choice, and
 * {@link HeadIndexing} with its builders for the lists, from the lines that the device chose.
 */
class CudaIndexTest {
  private static final int TILE = TileIndex.TILE;

  private CudaBackend backend;

  @BeforeAll
  static void needsDevice() {
    CudaUnderTest.assumeDevice();
  }

  @BeforeEach
  void openBackend() {
    backend = new CudaBackend(2);
  }

  @AfterEach
  void closeBackend() {
    backend.close();
  }

  @Test
  void listsAreThoseOfTheHostsBuilders() {
    Random random = new Random(11);
    for (int tokens : new int[] {1, 2, 63, 64, 65, 127, 130, 1000, 3001, 9000}) {
      for (int group : new int[] {1, 4, 7, 8}) {
        for (int window : new int[] {0, 1, 48, 700}) {
          int kvHeads = group > 4 ? 1 : 2;
          AttentionShape shape =
              new AttentionShape(tokens, group * kvHeads, kvHeads, 32, 0.2f, window);
          int tiles = TileIndex.tiles(tokens);
          int firstTile = random.nextInt(3) == 0 ? random.nextInt(tiles) : 0;
          boolean dispatch = random.nextBoolean();
          long listBytes = random.nextBoolean() ? IndexPlan.LIST_BYTES : 1L << random.nextInt(20);
          compare(shape, patterns(shape, random), dispatch, firstTile, listBytes, random);
        }
      }
    }
  }

  @Test
  void listsOfAMillionTokensAreThoseOfTheHostsBuilders() {
    AttentionShape shape = new AttentionShape((1 << 20) + 1, 1, 1, 32, 0.2f, 0);
    List<HeadPattern> lines = List.of(new HeadPattern.VerticalSlash(1000, 6096));
    compare(shape, lines, true, 0, IndexPlan.LIST_BYTES, new Random(3));
  }

  /** Patterns of every kind, with sizes from 1 to more than there are tokens. */
  private static List<HeadPattern> patterns(AttentionShape shape, Random random) {
    List<HeadPattern> patterns = new ArrayList<>();
    for (int head = 0; head < shape.heads(); head++) {
      int most = random.nextBoolean() ? 2 * shape.tokens() : 200;
      patterns.add(
          switch (random.nextInt(10)) {
            case 0 -> new HeadPattern.Dense();
            case 1 -> new HeadPattern.AShape(random.nextInt(most), 1 + random.nextInt(most));
            case 2 -> new HeadPattern.BlockSparse(1 + random.nextInt(most));
            case 3 ->
                new HeadPattern.TriShape(
                    random.nextInt(most), 1 + random.nextInt(most), 1 + random.nextInt(most));
            case 4 ->
                new HeadPattern.Dilated(
                    random.nextInt(most), random.nextInt(most), 1 + random.nextInt(most));
            case 5 -> new HeadPattern.VerticalOnly(1 + random.nextInt(most));
            case 6 -> new HeadPattern.SlashOnly(1 + random.nextInt(most));
            case 7 -> given(most, random);
            default ->
                new HeadPattern.VerticalSlash(1 + random.nextInt(most), 1 + random.nextInt(most));
          });
    }
    return patterns;
  }

  /** Lines of a document that may have been longer. */
  private static HeadPattern.GivenLines given(int most, Random random) {
    int[] columns = random.ints(random.nextInt(300), 0, most).sorted().distinct().toArray();
    int[] distances =
        IntStream.concat(IntStream.of(0), random.ints(random.nextInt(300), 0, most))
            .sorted()
            .distinct()
            .toArray();
    int[] descending =
        IntStream.range(0, distances.length)
            .map(i -> distances[distances.length - 1 - i])
            .toArray();
    return new HeadPattern.GivenLines(columns, descending);
  }

  private void compare(
      AttentionShape shape,
      List<HeadPattern> patterns,
      boolean dispatch,
      int firstTile,
      long listBytes,
      Random random) {
    String what =
        "%s, %s, dispatch %s, first tile %d, lists %d"
            .formatted(shape, patterns, dispatch, firstTile, listBytes);
    int d = shape.headDim();
    try (Tensor q = upload(shape.tokens(), shape.heads() * d, 2, random);
        Tensor k = upload(shape.tokens(), shape.kvHeads() * d, 1, random)) {
      poisonFreeMemory(64 << 20);
      try (CudaIndex index = backend.index(patterns, shape, dispatch, firstTile, q, k, listBytes)) {
        assertThat(index.memory().size()).isEqualTo(index.plan().layout().bytes());
        TileIndex built = ReadIndex.tiles(index);
        HeadIndexing indexing =
            new HeadIndexing(shape, patterns, dispatch, firstTile, EstimateCost.CUDA);
        TileIndex expected;
        try (Workers one = new Workers(1)) {
          expected = indexing.build(one, head -> new Chosen(index, built, head));
        }
        assertThat(texts(built)).as(what).isEqualTo(texts(expected));
        assertThat(index.cost().computedTiles()).as(what).isEqualTo(expected.computedTiles());
        assertThat(index.cost().causalTiles()).as(what).isEqualTo(expected.causalTiles());
        assertThat(index.cost().sparseHeads()).as(what).isEqualTo(expected.sparseHeads());
        backend.complete();
      }
    }
  }

  /** What the device chose for a head. */
  private record Chosen(CudaIndex index, TileIndex built, int head)
      implements HeadIndexing.Estimate {
    @Override
    public LineSelection lines(HeadPattern.Lines pattern) {
      return ReadIndex.lines(index.plan(), index.memory(), head);
    }

    @Override
    public int[][] blocks(HeadPattern.BlockSparse pattern) {
      return tilesOf(built, head);
    }

    @Override
    public int[][] retrieved(HeadPattern.Retrieved pattern, int from) {
      throw new AssertionError("the device has no such pattern");
    }
  }

  private static int[][] tilesOf(TileIndex index, int head) {
    int[][] tiles = new int[index.queryTiles()][];
    for (int row = 0; row < tiles.length; row++) {
      int m = index.firstTile() + row;
      tiles[row] = new int[index.tilesOf(head, m)];
      int at = 0;
      for (int run = index.runsBegin(head, m); run < index.runsEnd(head, m); run++) {
        for (int i = 0; i < index.runTiles(run); i++) {
          tiles[row][at++] = index.runStart(run) / TILE + i;
        }
      }
    }
    return tiles;
  }

  /** Rows, runs and columns. */
  private static List<String> texts(TileIndex index) {
    TileLists lists = TileLists.of(index);
    List<String> texts = new ArrayList<>();
    for (int[] values : List.of(lists.rows(), lists.runs(), lists.columns())) {
      texts.add(values.length > 2000 ? "hash " + Arrays.hashCode(values) : Arrays.toString(values));
    }
    return texts;
  }

  private Tensor upload(int rows, int cols, double deviation, Random random) {
    return backend.upload(ArrayMatrix.random(rows, cols, deviation, random), "a test's input");
  }

  /** Fills memory that the next allocation is likely to get. */
  private void poisonFreeMemory(long bytes) {
    try (DeviceMemory.Block block = backend.memory().allocate(bytes, "poison")) {
      check(JCudaDriver.cuMemsetD8(block.at(0), (byte) 0x7f, bytes), "poison memory");
      check(JCudaDriver.cuCtxSynchronize(), "poison memory");
    }
  }

  @Test
  void chosenLinesAreTheTopOfTheScores() {
    Random random = new Random(5);
    for (int tokens : new int[] {1, 29, 64, 101, 1000, 8191, 8192, 8193, 20_000, (1 << 20) + 7}) {
      // Continuous scores, few different ones, all equal, and one that is larger.
      for (int kind = 0; kind < 4; kind++) {
        float[] vertical = scores(tokens, kind, random);
        float[] slash = scores(tokens, kind, random);
        // Lists of many columns would be too long at a million tokens.
        int most = Math.min(2 * tokens, 100_000);
        int[] counts = {1, 100, 1000, most / 4 + 1, most};
        for (int count : tokens < most ? counts : new int[] {6096}) {
          HeadPattern.VerticalSlash pattern = new HeadPattern.VerticalSlash(count, count + 57);
          LineSelection expected = LineSelection.of(pattern, vertical, slash);
          LineSelection chosen = choose(pattern, vertical, slash);
          String what = "T=%d, scores of kind %d, %s".formatted(tokens, kind, pattern);
          assertThat(Arrays.equals(chosen.verticals(), expected.verticals())).as(what).isTrue();
          assertThat(Arrays.equals(chosen.distances(), expected.distances())).as(what).isTrue();
        }
      }
    }
    backend.complete();
  }

  @Test
  void theOneLineOfTheOtherKindIsTheNearestAndTheFirst() {
    Random random = new Random(6);
    for (int tokens : new int[] {1, 29, 64, 1000, 9000}) {
      float[] vertical = scores(tokens, 0, random);
      float[] slash = scores(tokens, 0, random);
      for (HeadPattern.Lines pattern :
          List.of(new HeadPattern.VerticalOnly(100), new HeadPattern.SlashOnly(300))) {
        LineSelection expected = LineSelection.of(pattern, vertical, slash);
        LineSelection chosen = choose(pattern, vertical, slash);
        String what = "T=%d, %s".formatted(tokens, pattern);
        assertThat(chosen.verticals()).as(what).isEqualTo(expected.verticals());
        assertThat(chosen.distances()).as(what).isEqualTo(expected.distances());
      }
    }
    backend.complete();
  }

  private static float[] scores(int count, int kind, Random random) {
    float[] scores = new float[count];
    for (int i = 0; i < count; i++) {
      scores[i] =
          switch (kind) {
            case 0 -> (float) Math.exp(8 * random.nextGaussian());
            case 1 -> random.nextInt(5) / 4f - 0.25f;
            case 2 -> random.nextBoolean() ? 0f : -0f;
            default -> i == count / 3 ? 1e30f : 1f / 3;
          };
    }
    return scores;
  }

  /** The device's choice among scores of the second of three heads. */
  private LineSelection choose(HeadPattern.Lines pattern, float[] vertical, float[] slash) {
    AttentionShape shape = new AttentionShape(vertical.length, 3, 1, 32, 1, 0);
    IndexBuilder builder = backend.indexBuilder();
    List<HeadPattern> patterns = List.of(new HeadPattern.Dense(), pattern, pattern);
    IndexPlan plan = builder.plan(patterns, shape, false, 0, IndexPlan.LIST_BYTES);
    IndexLayout layout = plan.layout();
    try (DeviceMemory.Block memory = backend.memory().allocate(layout.bytes(), "a test")) {
      long bytes = (long) vertical.length * Float.BYTES;
      check(JCudaDriver.cuMemsetD8(memory.at(0), (byte) 0x7f, layout.bytes()), "poison memory");
      for (int line = 0; line < 2; line++) {
        long at = line * bytes;
        float[] columns = line == 0 ? vertical : slash;
        float[] diagonals = line == 0 ? slash : vertical;
        check(
            JCudaDriver.cuMemcpyHtoD(memory.at(layout.vertical() + at), Pointer.to(columns), bytes),
            "copy scores");
        check(
            JCudaDriver.cuMemcpyHtoD(memory.at(layout.slash() + at), Pointer.to(diagonals), bytes),
            "copy scores");
      }
      check(JCudaDriver.cuCtxSynchronize(), "copy scores");
      builder.choose(plan, memory);
      LineSelection other = ReadIndex.lines(plan, memory, 2);
      LineSelection swapped = LineSelection.of(pattern, slash, vertical);
      assertThat(Arrays.equals(other.verticals(), swapped.verticals())).as("third head").isTrue();
      assertThat(Arrays.equals(other.distances(), swapped.distances())).as("third head").isTrue();
      return ReadIndex.lines(plan, memory, 1);
    }
  }

  @Test
  void aScoreThatIsNanIsNamed() {
    float[] scores = scores(9000, 0, new Random(1));
    float[] bad = scores.clone();
    bad[8500] = Float.NaN;
    bad[8700] = Float.NaN;
    HeadPattern.VerticalSlash pattern = new HeadPattern.VerticalSlash(100, 200);
    assertNanIsNamed(pattern, scores, bad, "diagonal 8500", "head 1");
    assertNanIsNamed(pattern, bad, scores, "column 8500", "head 1");
  }

  private void assertNanIsNamed(
      HeadPattern.VerticalSlash pattern, float[] vertical, float[] slash, String... parts) {
    AttentionShape shape = new AttentionShape(vertical.length, 2, 1, 32, 1, 0);
    IndexBuilder builder = backend.indexBuilder();
    List<HeadPattern> patterns = List.of(new HeadPattern.Dense(), pattern);
    IndexPlan plan = builder.plan(patterns, shape, false, 0, IndexPlan.LIST_BYTES);
    try (DeviceMemory.Block memory = backend.memory().allocate(plan.layout().bytes(), "a test")) {
      long bytes = (long) vertical.length * Float.BYTES;
      check(
          JCudaDriver.cuMemcpyHtoD(
              memory.at(plan.layout().vertical()), Pointer.to(vertical), bytes),
          "copy scores");
      check(
          JCudaDriver.cuMemcpyHtoD(memory.at(plan.layout().slash()), Pointer.to(slash), bytes),
          "copy scores");
      check(JCudaDriver.cuCtxSynchronize(), "copy scores");
      builder.choose(plan, memory);
      assertThatThrownBy(() -> backend.complete())
          .isInstanceOf(ArithmeticException.class)
          .hasMessageContainingAll(parts);
    }
  }

  @Test
  void chosenTilesAreTheTopOfTheProducts() {
    // Small integers, and last tiles of 2^n rows: sums and means are exact in any order, so scores
    // are the same numbers here and there, many of them equal.
    Random random = new Random(9);
    int d = 32;
    for (int tokens : new int[] {1, 32, 64, 66, 200 * TILE, 300 * TILE + 16, 530 * TILE + 1}) {
      for (int window : new int[] {0, 1, 100, 5000}) {
        AttentionShape shape = new AttentionShape(tokens, 2, 1, d, 1, window);
        float[] queries = integers(tokens * 2 * d, random);
        float[] keys = integers(tokens * d, random);
        double[][] querySums = sums(queries, 2 * d);
        double[][] keySums = sums(keys, d);
        int tiles = TileIndex.tiles(tokens);
        for (int count : new int[] {1, 3, 40, tiles}) {
          int firstTile = random.nextBoolean() ? 0 : random.nextInt(tiles);
          List<HeadPattern> patterns =
              List.of(new HeadPattern.BlockSparse(count), new HeadPattern.BlockSparse(count + 1));
          try (Tensor q = backend.upload(new ArrayMatrix(2 * d, queries), "q");
              Tensor k = backend.upload(new ArrayMatrix(d, keys), "k");
              CudaIndex index = backend.index(patterns, shape, false, firstTile, q, k, 1)) {
            TileIndex built = ReadIndex.tiles(index);
            for (int head = 0; head < 2; head++) {
              int[][] chosen = tilesOf(built, head);
              for (int m = firstTile; m < tiles; m++) {
                assertThat(chosen[m - firstTile])
                    .as("%s, %d tiles, head %d, query tile %d", shape, count, head, m)
                    .isEqualTo(best(shape, querySums, keySums, head, m, count + head));
              }
            }
          }
        }
      }
    }
    backend.complete();
  }

  private static float[] integers(int count, Random random) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = random.nextInt(3) - 1;
    }
    return values;
  }

  private static int[] best(
      AttentionShape shape, double[][] queries, double[][] keys, int head, int m, int count) {
    int d = shape.headDim();
    int first = shape.firstKey(m * TILE) / TILE;
    float[] scores = new float[m + 1 - first];
    for (int tile = first; tile <= m; tile++) {
      double dot = 0;
      for (int c = 0; c < d; c++) {
        dot += queries[m][head * d + c] * keys[tile][c];
      }
      scores[tile - first] = (float) (dot / Math.min(TILE, shape.tokens() - tile * TILE));
    }
    if (shape.window() > 0) {
      scores[m - first] = Float.POSITIVE_INFINITY;
    }
    return Arrays.stream(TopK.ascending(scores, count)).map(tile -> tile + first).toArray();
  }

  /** Sums over tiles of 64 rows. */
  private static double[][] sums(float[] x, int cols) {
    int rows = x.length / cols;
    double[][] sums = new double[TileIndex.tiles(rows)][cols];
    for (int i = 0; i < x.length; i++) {
      sums[i / cols / TILE][i % cols] += x[i];
    }
    return sums;
  }
}
