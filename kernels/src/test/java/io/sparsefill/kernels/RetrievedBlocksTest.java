package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.attention.HeadTiles;
import io.sparsefill.kernels.attention.TileIndex;
import io.sparsefill.kernels.attention.TopK;
import io.sparsefill.kernels.cpu.CpuUnderTest;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Retrieved blocks on the CPU against the definition by brute force: for every query tile the keys
 * that it names as single columns, and the attention over them in double. Queries and keys are
 * small integers, so scores are the same numbers here and there, many of them equal.
 */
class RetrievedBlocksTest {
  private static final int TILE = TileIndex.TILE;
  private static final int BLOCK = 128;
  private static final int QUERIES = 512;

  private CpuUnderTest device;

  @BeforeEach
  void open() {
    device = new CpuUnderTest(2);
  }

  @AfterEach
  void close() {
    device.close();
  }

  private static AttentionInput integers(AttentionShape shape, long seed) {
    Random random = new Random(seed);
    AttentionInput input = AttentionInput.random(shape, 1, seed);
    for (ArrayMatrix matrix : List.of(input.q(), input.k())) {
      for (int i = 0; i < matrix.values().length; i++) {
        matrix.values()[i] = random.nextInt(3) - 1;
      }
    }
    return input;
  }

  @Test
  void eachQueryBlockRetrievesTheBlocksThatFitItBest() {
    HeadPattern.Retrieved[] patterns = {
      new HeadPattern.Retrieved(100, 300, 3),
      new HeadPattern.Retrieved(0, 1, 1),
      new HeadPattern.Retrieved(64, 700, 100)
    };
    try (ErrorBudget budget = new ErrorBudget("retrieved blocks", device.tolerance())) {
      for (int tokens : new int[] {1, 65, 513, 1100, 2000}) {
        for (int window : new int[] {0, 900}) {
          for (HeadPattern.Retrieved pattern : patterns) {
            int firstTile = pattern.initial() == 64 ? TileIndex.tiles(tokens) - 1 : 0;
            AttentionShape shape = AttentionInput.shape(tokens, 4, 2, 32, window);
            compare(integers(shape, tokens), pattern, firstTile, budget);
          }
        }
      }
    }
  }

  private void compare(
      AttentionInput input, HeadPattern.Retrieved pattern, int firstTile, ErrorBudget budget) {
    AttentionShape shape = input.shape();
    String what = "%s, first tile %d, %s".formatted(pattern, firstTile, shape);
    List<HeadTiles> heads = new ArrayList<>();
    for (int head = 0; head < shape.heads(); head++) {
      heads.add(named(input, pattern, head, firstTile));
    }
    TileIndex expected = TileIndex.of(shape, firstTile, heads);
    float[] zero = new float[firstTile * TILE * shape.heads() * shape.headDim()];
    budget.spend(
        run(input, pattern, firstTile), DenseMaskOracle.attention(expected, input, zero), what);
  }

  /** The keys of every query tile, as single columns. */
  private static HeadTiles named(
      AttentionInput input, HeadPattern.Retrieved pattern, int head, int firstTile) {
    AttentionShape shape = input.shape();
    int initial = TileIndex.tiles(pattern.initial()) * TILE;
    HeadTiles tiles = new HeadTiles(true);
    for (int m = firstTile; m < TileIndex.tiles(shape.tokens()); m++) {
      int begin = m * TILE / QUERIES * QUERIES;
      int blocks = 0;
      while (initial + (blocks + 1) * BLOCK <= begin - pattern.local()) {
        blocks++;
      }
      Set<Integer> chosen = chosen(input, pattern, head, begin, initial, blocks);
      for (int key = 0; key < Math.min(shape.tokens(), (m + 1) * TILE); key++) {
        boolean local = key >= initial + blocks * BLOCK;
        if (key < initial || local || chosen.contains((key - initial) / BLOCK)) {
          tiles.column(key);
        }
      }
      tiles.endTile(m * TILE);
    }
    return tiles;
  }

  private static Set<Integer> chosen(
      AttentionInput input,
      HeadPattern.Retrieved pattern,
      int head,
      int begin,
      int initial,
      int blocks) {
    AttentionShape shape = input.shape();
    int first = 0; // blocks that end, in whole tiles, before the first query's window cannot help
    while (first < blocks && initial + (first + 1) * BLOCK <= shape.firstKey(begin) / TILE * TILE) {
      first++;
    }
    float[] fit = new float[blocks - first];
    for (int block = first; block < blocks; block++) {
      int from = initial + block * BLOCK;
      float[] scores = new float[BLOCK];
      for (int i = 0; i < BLOCK; i++) {
        for (int query = from + i + 1; query <= from + i + pattern.local(); query++) {
          scores[i] += (float) product(input, head, query, from + i);
        }
      }
      for (int i : TopK.ascending(scores, 4)) {
        for (int query = begin; query < Math.min(shape.tokens(), begin + QUERIES); query++) {
          fit[block - first] += (float) product(input, head, query, from + i);
        }
      }
    }
    Set<Integer> chosen = new HashSet<>();
    for (int i : TopK.ascending(fit, pattern.blocks())) {
      chosen.add(first + i);
    }
    return chosen;
  }

  private static double product(AttentionInput input, int head, int query, int key) {
    return Math.rint(input.logit(head, query, key) / input.shape().scale());
  }

  private float[] run(AttentionInput input, HeadPattern pattern, int firstTile) {
    Attended attended = Attended.of(device.backend(), input, pattern, firstTile);
    assertThat(attended.cost().sparseHeads()).isEqualTo(input.shape().heads());
    return attended.out();
  }

  /** Oracle: dense attention; nothing is far enough away to be retrieved, or all of it is. */
  @Test
  void sizesBeyondTheDocumentAreAllOfIt() {
    AttentionShape shape = AttentionInput.shape(1500, 2, 1, 32, 0);
    AttentionInput input = AttentionInput.random(shape, 2, 5);
    float[] dense = dense(input);
    int all = 999_999_999;
    assertThat(run(input, new HeadPattern.Retrieved(all, all, all), 0)).isEqualTo(dense);
    assertThat(run(input, new HeadPattern.Retrieved(0, all, 1), 0)).isEqualTo(dense);
    assertThat(run(input, new HeadPattern.Retrieved(all, 1, 1), 0)).isEqualTo(dense);
    assertThat(run(input, new HeadPattern.Retrieved(64, 100, all), 0)).isEqualTo(dense);
  }

  private float[] dense(AttentionInput input) {
    Backend backend = device.backend();
    AttentionShape shape = input.shape();
    List<HeadPattern> patterns = Collections.nCopies(shape.heads(), new HeadPattern.Dense());
    try (Tensor q = backend.upload(input.q(), "q");
        Tensor k = backend.upload(input.k(), "k");
        Tensor v = backend.upload(input.v(), "v");
        AttentionIndex index = backend.index(patterns, shape, false, 0, q, k)) {
      backend.attention(index, shape, q, k, v, q);
      return backend.read(q);
    }
  }

  /** Oracle: counted by hand. */
  @Test
  void theIndexHasFirstTilesBlocksAndWindow() {
    AttentionShape shape = AttentionInput.shape(4096, 1, 1, 32, 0);
    AttentionInput input = AttentionInput.random(shape, 2, 5);
    List<HeadPattern> patterns = List.of(new HeadPattern.Retrieved(128, 1024, 4));
    Backend backend = device.backend();
    try (Tensor q = backend.upload(input.q(), "q");
        Tensor k = backend.upload(input.k(), "k");
        AttentionIndex index = backend.index(patterns, shape, false, 63, q, k)) {
      // The last query block begins at 3584: two first tiles, four blocks, and all from 2560 on.
      assertThat(index.cost().computedTiles()).isEqualTo(2 + 4 * 2 + (64 - 40));
    }
  }
}
