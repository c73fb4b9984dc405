package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.attention.TileIndex;
import io.sparsefill.kernels.cpu.CpuUnderTest;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The oracle top-k on the CPU against a sort of each query's scores in double. */
class TopKeysTest {
  private static final int TILE = TileIndex.TILE;

  /**
   * Where the last score that is kept and the first that is not lie closer, fp32 may order them the
   * other way round.
   */
  private static final double CLOSE = 1e-5;

  private CpuUnderTest device;

  @BeforeEach
  void open() {
    device = new CpuUnderTest(2);
  }

  @AfterEach
  void close() {
    device.close();
  }

  @Test
  void eachQueryKeepsItsLargestScores() {
    try (ErrorBudget budget = new ErrorBudget("top-k against sorted scores", device.tolerance())) {
      for (int tokens : new int[] {1, 63, 64, 65, 129, 500}) {
        for (int window : new int[] {0, 1, 48, 200}) {
          for (int kept : new int[] {1, 3, 64, 100}) {
            int firstTile = kept == 3 ? (TileIndex.tiles(tokens) - 1) / 2 : 0;
            AttentionShape shape = AttentionInput.shape(tokens, 4, 2, 64, window);
            compare(AttentionInput.random(shape, 3, tokens + kept), kept, firstTile, budget);
          }
        }
      }
    }
  }

  private void compare(AttentionInput input, int kept, int firstTile, ErrorBudget budget) {
    AttentionShape shape = input.shape();
    int d = shape.headDim();
    int width = shape.heads() * d;
    float[] actual = run(input, new HeadPattern.TopKeys(kept), firstTile);
    double[] expected = new double[actual.length];
    int close = 0;
    for (int q = firstTile * TILE; q < shape.tokens(); q++) {
      for (int head = 0; head < shape.heads(); head++) {
        int at = q * width + head * d;
        if (!attend(input, head, q, kept, expected, at)) {
          close++;
          for (int c = at; c < at + d; c++) {
            actual[c] = 0;
          }
        }
      }
    }
    String what = "%d of each query, %s".formatted(kept, shape);
    assertThat(close).as(what).isLessThanOrEqualTo(shape.tokens() * shape.heads() / 100);
    budget.spend(actual, expected, what);
  }

  /** Attention of one query over its largest scores; false where it is not clear which they are. */
  private static boolean attend(
      AttentionInput input, int head, int q, int kept, double[] out, int at) {
    AttentionShape shape = input.shape();
    int d = shape.headDim();
    double[] logits = new double[q + 1];
    List<Integer> keys = new ArrayList<>();
    for (int key = shape.firstKey(q); key <= q; key++) {
      logits[key] = input.logit(head, q, key);
      keys.add(key);
    }
    keys.sort(Comparator.comparingDouble(key -> -logits[key]));
    int count = Math.min(kept, keys.size());
    if (count < keys.size() && logits[keys.get(count - 1)] - logits[keys.get(count)] < CLOSE) {
      return false;
    }
    double sum = 0;
    for (int key : keys.subList(0, count)) {
      double weight = Math.exp(logits[key] - logits[keys.get(0)]);
      sum += weight;
      for (int c = 0; c < d; c++) {
        out[at + c] += weight * input.v().at(key, head / shape.group() * d + c);
      }
    }
    for (int c = 0; c < d; c++) {
      out[at + c] /= sum;
    }
    return true;
  }

  private float[] run(AttentionInput input, HeadPattern pattern, int firstTile) {
    return Attended.of(device.backend(), input, pattern, firstTile).out();
  }

  @Test
  void moreKeysThanThereAreAreDense() {
    AttentionShape shape = AttentionInput.shape(300, 2, 1, 64, 0);
    AttentionInput input = AttentionInput.random(shape, 3, 5);
    float[] dense = run(input, new HeadPattern.Dense(), 0);
    assertThat(run(input, new HeadPattern.TopKeys(300), 0)).isEqualTo(dense);
    assertThat(run(input, new HeadPattern.TopKeys(999_999_999), 0)).isEqualTo(dense);
  }

  /** With keys 0 all scores are equal: the output is the plain mean of the nearest values. */
  @Test
  void ofEqualScoresTheNearestKeysAreKept() {
    int kept = 70;
    AttentionShape shape = AttentionInput.shape(300, 1, 1, 64, 0);
    AttentionInput random = AttentionInput.random(shape, 1, 3);
    AttentionInput input =
        new AttentionInput(shape, random.q(), ArrayMatrix.of(300, 64, 0), random.v());
    double[] mean = new double[300 * 64];
    for (int q = 0; q < 300; q++) {
      int first = Math.max(0, q + 1 - kept);
      for (int c = 0; c < 64; c++) {
        for (int key = first; key <= q; key++) {
          mean[q * 64 + c] += (double) input.v().at(key, c) / (q + 1 - first);
        }
      }
    }
    try (ErrorBudget budget = new ErrorBudget("top-k of equal scores", device.tolerance())) {
      budget.spend(run(input, new HeadPattern.TopKeys(kept), 0), mean, "the nearest keys");
    }
  }

  @Test
  void nanIsAnErrorWhateverItsSign() {
    AttentionShape shape = AttentionInput.shape(200, 2, 1, 64, 0);
    for (float nan : new float[] {Float.NaN, Float.intBitsToFloat(0xffc0_1234)}) {
      AttentionInput input = AttentionInput.random(shape, 1, 9);
      input.k().values()[100 * input.k().cols() + 3] = nan;
      assertThatThrownBy(() -> run(input, new HeadPattern.TopKeys(5), 0))
          .isInstanceOf(ArithmeticException.class)
          .hasMessageContaining("query");
    }
  }

  /** Oracle: all scores are computed, so the cost is the dense one, and dispatch gains by it. */
  @Test
  void itCostsWhatDenseAttentionCosts() {
    AttentionShape shape = AttentionInput.shape(200, 1, 1, 64, 0);
    AttentionInput input = AttentionInput.random(shape, 1, 9);
    float[] dense = run(input, new HeadPattern.Dense(), 0);
    List<HeadPattern> patterns = List.of(new HeadPattern.TopKeys(5));
    Backend backend = device.backend();
    try (Tensor q = backend.upload(input.q(), "q");
        Tensor k = backend.upload(input.k(), "k");
        Tensor v = backend.upload(input.v(), "v");
        AttentionIndex oracle = backend.index(patterns, shape, false, 0, q, k);
        AttentionIndex dispatched = backend.index(patterns, shape, true, 0, q, k)) {
      assertThat(oracle.cost().sparseHeads()).isEqualTo(1);
      assertThat(oracle.cost().computedTiles()).isEqualTo(oracle.cost().causalTiles());
      assertThat(dispatched.cost().sparseHeads()).isZero();
      backend.attention(dispatched, shape, q, k, v, q);
      assertThat(backend.read(q)).isEqualTo(dense);
    }
  }
}
