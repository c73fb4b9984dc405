package io.sparsefill.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sparsefill.kernels.ErrorBudget;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The vector twin against the scalar twin on identical input, and the exponential against {@link
 * Math}. Elements around the targets are canaries.
 */
class TileMathTest {
  private static final int KEYS = TileMath.KEYS;
  private static final int LANES = TileMath.SUM_LANES;
  private static final int[] HEAD_DIMS = {16, 32, 64, 80, 96, 128};

  private final Random random = new Random(3);
  private TileMath scalar;
  private TileMath vector;

  @BeforeEach
  void chooseTwins() {
    assumeTrue(
        ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent(),
        "skipped: the JVM runs without --add-modules jdk.incubator.vector");
    assumeTrue(VectorTileMath.lanesFit(), "skipped: this CPU's vectors are narrower than 256 bits");
    scalar = new ScalarTileMath();
    vector = new VectorTileMath();
  }

  private float[] gaussian(int n) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static float[] nan(int n) {
    float[] values = new float[n];
    Arrays.fill(values, Float.NaN);
    return values;
  }

  private static double[] doubles(float[] values) {
    double[] doubles = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      doubles[i] = values[i];
    }
    return doubles;
  }

  private int width(int headDim) {
    int step = vector.widthStep();
    return (headDim + step - 1) / step * step;
  }

  @Test
  void theChoiceOnThisJvmIsTheVectors() {
    assertThat(TileMath.choose()).isInstanceOf(VectorTileMath.class);
  }

  @Test
  void scoresAgreeAtOddOffsetsAndStrides() {
    try (ErrorBudget budget = new ErrorBudget("tile scores, vector against scalar", 2e-6)) {
      for (int depth : HEAD_DIMS) {
        for (int rows = 4; rows <= 64; rows += 12) {
          for (int offset : new int[] {0, 1, 13}) {
            for (int stride : new int[] {64, 65, 101}) {
              float[] q = gaussian(rows * depth);
              float[] keys = gaussian(offset + (depth - 1) * stride + KEYS);
              float[] expected = nan((rows + 1) * KEYS);
              float[] got = nan((rows + 1) * KEYS);
              scalar.scores(q, rows, depth, keys, offset, stride, expected);
              vector.scores(q, rows, depth, keys, offset, stride, got);
              assertThat(Arrays.copyOfRange(got, rows * KEYS, got.length)).containsOnly(Float.NaN);
              budget.spend(
                  Arrays.copyOf(got, rows * KEYS),
                  doubles(Arrays.copyOf(expected, rows * KEYS)),
                  "D=%d, %d rows, offset %d, stride %d".formatted(depth, rows, offset, stride));
            }
          }
        }
      }
    }
  }

  @Test
  void accumulatedValuesAgreeAtOddOffsets() {
    try (ErrorBudget budget = new ErrorBudget("tile values, vector against scalar", 2e-6)) {
      for (int headDim : HEAD_DIMS) {
        int width = width(headDim);
        for (int rows = 4; rows <= 64; rows += 12) {
          for (int offset : new int[] {0, 1, 13}) {
            float[] p = gaussian(rows * KEYS);
            float[] v = gaussian(offset + KEYS * width);
            float[] start = gaussian(rows * width + 1);
            float[] expected = start.clone();
            float[] got = start.clone();
            scalar.accumulate(p, rows, v, offset, expected, width);
            vector.accumulate(p, rows, v, offset, got, width);
            assertThat(got[rows * width]).isEqualTo(start[rows * width]);
            budget.spend(
                got,
                doubles(expected),
                "width %d, %d rows, offset %d".formatted(width, rows, offset));
          }
        }
      }
    }
  }

  @Test
  void softmaxOverSeveralTilesAgrees() {
    try (ErrorBudget budget = new ErrorBudget("tile softmax, vector against scalar", 2e-6)) {
      for (int headDim : HEAD_DIMS) {
        int width = width(headDim);
        for (int rows = 4; rows <= 64; rows += 12) {
          State expected = new State(rows, width);
          State got = new State(rows, width);
          for (int tile = 0; tile < 4; tile++) {
            float[] s = gaussian(rows * KEYS);
            for (int i = 0; i < s.length; i++) {
              s[i] = random.nextInt(5) == 0 ? Float.NEGATIVE_INFINITY : 20 * s[i];
            }
            if (tile < 2) {
              // A row that sees nothing yet.
              Arrays.fill(s, KEYS, 2 * KEYS, Float.NEGATIVE_INFINITY);
            }
            float[] output = gaussian(rows * width);
            expected.step(scalar, s, output);
            got.step(vector, s, output);
            String what = "width %d, %d rows, tile %d".formatted(width, rows, tile);
            budget.spend(got.s, doubles(expected.s), what + ", weights");
            budget.spend(got.totals(), doubles(expected.totals()), what + ", sums");
            budget.spend(got.o, doubles(expected.o), what + ", outputs");
            assertThat(got.max).isEqualTo(expected.max);
          }
        }
      }
    }
  }

  /** The running state of one query tile. */
  private static final class State {
    final int rows;
    final int width;
    final float[] max;
    final float[] sum;
    final float[] o;
    float[] s;

    State(int rows, int width) {
      this.rows = rows;
      this.width = width;
      max = new float[rows];
      Arrays.fill(max, Float.NEGATIVE_INFINITY);
      sum = new float[rows * LANES];
      o = new float[rows * width];
    }

    void step(TileMath math, float[] scores, float[] output) {
      s = scores.clone();
      math.softmax(s, rows, max, sum, o, width);
      for (int i = 0; i < o.length; i++) {
        o[i] += output[i];
      }
    }

    float[] totals() {
      float[] totals = new float[rows];
      for (int i = 0; i < sum.length; i++) {
        totals[i / LANES] += sum[i];
      }
      return totals;
    }
  }

  @Test
  void aNanAnywhereInARowMakesItsSumNanForGood() {
    float[] nans = {
      Float.NaN, Float.intBitsToFloat(0x7fc0_00ff), Float.intBitsToFloat(0xff80_0001)
    };
    for (TileMath math : new TileMath[] {scalar, vector}) {
      for (float nan : nans) {
        for (int at = 0; at < KEYS; at++) {
          State state = new State(4, width(64));
          float[] s = gaussian(4 * KEYS);
          s[KEYS + at] = nan;
          state.step(math, s, new float[4 * state.width]);
          state.step(math, gaussian(4 * KEYS), new float[4 * state.width]);
          assertThat(state.totals()[1])
              .as("%s, lane %d", math.getClass().getSimpleName(), at)
              .isNaN();
          assertThat(state.totals()[0]).isPositive();
          assertThat(state.totals()[2]).isPositive();
        }
      }
    }
  }

  @Test
  void exponentialsAreAccurateDownToTheSmallestNormalNumber() {
    int steps = 200_000;
    try (ErrorBudget budget = new ErrorBudget("2^x against Math.pow, relative", 3e-7)) {
      for (int i = 0; i < steps; i += 4 * KEYS) {
        float[] s = new float[4 * KEYS];
        for (int j = 0; j < s.length; j++) {
          s[j] = -126f * (i + j) / (steps + 4 * KEYS);
        }
        float[] x = s.clone();
        vector.probabilities(s, 4, new float[4], new float[] {1, 1, 1, 1});
        for (int j = 0; j < s.length; j++) {
          double exact = Math.pow(2, x[j]);
          budget.spend(Math.abs(s[j] - exact) / exact, "x = " + x[j]);
        }
      }
    }
  }

  @Test
  void exponentialsEndAtZeroAndBeginAtOne() {
    float[] s = new float[4 * KEYS];
    Arrays.fill(s, Float.NEGATIVE_INFINITY);
    float[] x = {0f, -0f, -126f, Math.nextDown(-126f), -127f, -1000f, -3e38f};
    System.arraycopy(x, 0, s, 0, x.length);
    vector.probabilities(s, 4, new float[4], new float[] {1, 1, 1, 1});
    assertThat(Arrays.copyOf(s, x.length)).containsExactly(1, 1, 0x1p-126f, 0, 0, 0, 0);
    assertThat(Arrays.copyOfRange(s, x.length, s.length)).containsOnly(0);
  }

  @Test
  void probabilitiesAgree() {
    try (ErrorBudget budget = new ErrorBudget("probabilities, vector against scalar", 1e-6)) {
      for (int rows = 4; rows <= 64; rows += 12) {
        float[] s = gaussian(rows * KEYS);
        s[5] = Float.NEGATIVE_INFINITY;
        float[] max = new float[rows];
        Arrays.fill(max, 4f);
        float[] factor = gaussian(rows);
        float[] expected = s.clone();
        scalar.probabilities(expected, rows, max, factor);
        vector.probabilities(s, rows, max, factor);
        assertThat(s[5]).isZero();
        budget.spend(s, doubles(expected), rows + " rows");
      }
    }
  }

  @Test
  void sumsOfArraysAreEqual() {
    for (int count : new int[] {16, 64, 112}) {
      for (int offset : new int[] {0, 1, 7}) {
        float[] target = gaussian(count + 8);
        float[] source = gaussian(count + 8);
        float[] expected = target.clone();
        scalar.add(expected, offset, source, 8 - offset, count);
        vector.add(target, offset, source, 8 - offset, count);
        assertThat(target).isEqualTo(expected);
      }
    }
  }

  @Test
  void siluMulAgreesAtOddSizesAndOffsets() {
    try (ErrorBudget budget = new ErrorBudget("siluMul, vector against scalar", 1e-6)) {
      for (int count : new int[] {1, 7, 15, 16, 17, 63, 64, 65, 1408}) {
        for (int offset : new int[] {0, 3}) {
          float[] gate = gaussian(count + 6);
          for (int i = 0; i < gate.length; i++) {
            gate[i] *= 10;
          }
          float[] up = gaussian(count + 6);
          float[] expected = gate.clone();
          scalar.siluMul(expected, offset, up, 6 - offset, count);
          vector.siluMul(gate, offset, up, 6 - offset, count);
          budget.spend(gate, doubles(expected), "%d from %d".formatted(count, offset));
        }
      }
    }
  }

  @Test
  void sumExpMatchesADoubleSumOverAVocabulary() {
    try (ErrorBudget budget = new ErrorBudget("sumExp against doubles, relative", 5e-7)) {
      for (int count : new int[] {1, 7, 15, 16, 17, 1024, 1025, 4096, 151_936}) {
        for (double deviation : new double[] {0, 1, 10, 1000}) {
          for (int offset : new int[] {0, 5}) {
            float[] x = gaussian(count + offset);
            float max = Float.NEGATIVE_INFINITY;
            for (int i = 0; i < x.length; i++) {
              x[i] *= (float) deviation;
              max = i < offset ? max : Math.max(max, x[i]);
            }
            double exact = 0;
            for (int i = offset; i < x.length; i++) {
              exact += Math.exp((double) x[i] - max);
            }
            String what = "%d from %d, deviation %s".formatted(count, offset, deviation);
            double vectors = vector.sumExp(x, offset, count, max);
            budget.spend(Math.abs(vectors - exact) / exact, what);
            double scalars = scalar.sumExp(x, offset, count, max);
            budget.spend(Math.abs(scalars - exact) / exact, what + ", scalar");
          }
        }
      }
    }
  }
}
