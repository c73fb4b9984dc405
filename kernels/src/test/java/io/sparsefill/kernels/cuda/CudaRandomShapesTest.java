package io.sparsefill.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.ArrayMatrix;
import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.ErrorBudget;
import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.PatternTiles;
import io.sparsefill.kernels.RopeTable;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.attention.TileIndex;
import io.sparsefill.kernels.cpu.CpuUnderTest;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * One attention block of random shape after the other on both backends; the oracle is the CPU
 * backend, which the contracts hold against plain loops in double. Every operator gets the same
 * bf16 numbers on both, so errors do not add up. Outputs are NaN before each run, and so is all
 * device memory that a backend hands out.
 */
class CudaRandomShapesTest {
  private static final int CASES = 64;

  private CudaUnderTest device;
  private BackendUnderTest oracle;
  private ErrorBudget budget;
  private Random random;

  @BeforeAll
  static void needsDevice() {
    CudaUnderTest.assumeDevice();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void anAttentionBlockOfRandomShapeEqualsThatOfTheCpuBackend(boolean dispatch) {
    try (CudaUnderTest cuda = CudaUnderTest.poisoned();
        BackendUnderTest cpu = new CpuUnderTest(2);
        ErrorBudget errors =
            new ErrorBudget("random shapes against the CPU backend", cuda.tolerance())) {
      device = cuda;
      oracle = cpu;
      budget = errors;
      for (int seed = dispatch ? 1 : 0; seed < CASES; seed += 2) {
        random = new Random(seed);
        block(dispatch, "seed " + seed);
      }
    }
  }

  private void block(boolean dispatch, String seed) {
    int headDim = pick(32, 64, 80, 96, 128);
    int kvHeads = pick(1, 2, 3);
    int heads = kvHeads * pick(1, 2, 4, 7);
    int tokens = 1 + random.nextInt(pick(64, 300, 1500));
    int window = random.nextInt(4) == 0 ? 1 + random.nextInt(tokens + 10) : 0;
    AttentionShape shape =
        new AttentionShape(
            tokens, heads, kvHeads, headDim, (float) (1 / Math.sqrt(headDim)), window);
    String what = seed + ", " + shape;
    int hidden = 8 * (1 + random.nextInt(40));
    int width = (heads + 2 * kvHeads) * headDim;
    ArrayMatrix states = ArrayMatrix.random(tokens, hidden, 1, random);
    ArrayMatrix weight = ArrayMatrix.random(1, hidden, 1, random);
    ArrayMatrix normed =
        both(
            what + ", norm",
            tokens,
            hidden,
            (backend, out) -> {
              try (Tensor x = backend.upload(states, "x");
                  Tensor w = backend.upload(weight, "weight")) {
                backend.rmsNorm(x, w, 1e-5f, out);
              }
            });
    ArrayMatrix projection = ArrayMatrix.random(width, hidden, 1 / Math.sqrt(hidden), random);
    ArrayMatrix offsets = random.nextBoolean() ? ArrayMatrix.random(1, width, 1, random) : null;
    ArrayMatrix projected =
        both(
            what + ", projection",
            tokens,
            width,
            (backend, out) -> {
              try (Tensor a = backend.upload(normed, "a");
                  Tensor w = backend.upload(projection, "w");
                  Tensor bias = offsets == null ? null : backend.upload(offsets, "bias")) {
                backend.linear(a, w, bias, out, false);
              }
            });
    ArrayMatrix[] qkv = rotate(shape, projected, what);
    attention(shape, qkv, dispatch, what);
    ArrayMatrix gateUp = ArrayMatrix.random(tokens, 2 * hidden, 1, random);
    both(
        what + ", activation",
        tokens,
        hidden,
        (backend, out) -> {
          try (Tensor x = backend.upload(gateUp, "gate and up")) {
            backend.siluMul(x, out);
          }
        });
  }

  private int pick(int... choices) {
    return choices[random.nextInt(choices.length)];
  }

  /** Something that a backend computes into an output. */
  private interface Operator {
    void run(Backend backend, Tensor out);
  }

  /** Runs on both backends over NaN, compares, and returns the oracle's result in bf16. */
  private ArrayMatrix both(String what, int rows, int cols, Operator operator) {
    float[] expected = run(oracle.backend(), rows, cols, operator);
    spend(run(device.backend(), rows, cols, operator), expected, what);
    return rounded(cols, expected);
  }

  private static float[] run(Backend backend, int rows, int cols, Operator operator) {
    try (Tensor out = backend.upload(ArrayMatrix.of(rows, cols, Float.NaN), "out")) {
      operator.run(backend, out);
      backend.complete();
      return backend.read(out);
    }
  }

  private void spend(float[] actual, float[] expected, String what) {
    double[] reference = new double[expected.length];
    for (int i = 0; i < reference.length; i++) {
      reference[i] = expected[i];
    }
    budget.spend(actual, reference, what);
  }

  private static ArrayMatrix rounded(int cols, float[] values) {
    float[] bf16 = new float[values.length];
    for (int i = 0; i < bf16.length; i++) {
      bf16[i] = HalfFloats.fromBf16(HalfFloats.toBf16(values[i]));
    }
    return new ArrayMatrix(cols, bf16);
  }

  /** Queries, keys and values, rotated from a random position on. */
  private ArrayMatrix[] rotate(AttentionShape shape, ArrayMatrix projected, String what) {
    int d = shape.headDim();
    int tokens = shape.tokens();
    double[] frequencies = new double[pick(d / 2, d / 4)];
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = Math.pow(1e4, -(double) i / frequencies.length);
    }
    boolean interleaved = random.nextBoolean();
    int position = random.nextInt(100);
    ArrayMatrix[] norms = {
      ArrayMatrix.random(1, d, 1, random), ArrayMatrix.random(1, d, 1, random)
    };
    boolean normed = random.nextBoolean();
    float[][] expected =
        rotated(
            oracle, shape, projected, frequencies, interleaved, position, normed ? norms : null);
    float[][] actual =
        rotated(
            device, shape, projected, frequencies, interleaved, position, normed ? norms : null);
    int[] cols = {shape.heads() * d, shape.kvHeads() * d, shape.kvHeads() * d};
    ArrayMatrix[] result = new ArrayMatrix[cols.length];
    for (int i = 0; i < cols.length; i++) {
      assertThat(expected[i]).hasSize(tokens * cols[i]);
      spend(actual[i], expected[i], what + ", rotated " + "qkv".charAt(i));
      result[i] = rounded(cols[i], expected[i]);
    }
    return result;
  }

  private static float[][] rotated(
      BackendUnderTest on,
      AttentionShape shape,
      ArrayMatrix projected,
      double[] frequencies,
      boolean interleaved,
      int position,
      ArrayMatrix[] norms) {
    Backend backend = on.backend();
    int tokens = shape.tokens();
    int d = shape.headDim();
    RopeTable table = new RopeTable(2 * frequencies.length, interleaved, frequencies, 1);
    try (Tensor qkv = backend.upload(projected, "qkv");
        Tensor rope = backend.rope(table, position + tokens);
        Tensor qNorm = norms == null ? null : backend.upload(norms[0], "q norm");
        Tensor kNorm = norms == null ? null : backend.upload(norms[1], "k norm");
        Tensor q = nothing(backend, tokens, shape.heads() * d);
        Tensor k = nothing(backend, tokens, shape.kvHeads() * d);
        Tensor v = nothing(backend, tokens, shape.kvHeads() * d)) {
      Backend.QkNorm qk = norms == null ? null : new Backend.QkNorm(qNorm, kNorm, 1e-6f);
      backend.splitAndRotate(qkv, shape, position, rope, interleaved, qk, q, k, v);
      backend.complete();
      return new float[][] {backend.read(q), backend.read(k), backend.read(v)};
    }
  }

  private static Tensor nothing(Backend backend, int rows, int cols) {
    return backend.upload(ArrayMatrix.of(rows, cols, Float.NaN), "out");
  }

  /** Attention over what the device itself selected, which the oracle computes after it. */
  private void attention(AttentionShape shape, ArrayMatrix[] qkv, boolean dispatch, String what) {
    int firstTile = random.nextInt(3) == 0 ? random.nextInt(TileIndex.tiles(shape.tokens())) : 0;
    List<HeadPattern> patterns = new ArrayList<>();
    for (int head = 0; head < shape.heads(); head++) {
      patterns.add(pattern());
    }
    int width = shape.heads() * shape.headDim();
    int from = firstTile * TileIndex.TILE * width;
    float[] actual;
    TileIndex tiles;
    Backend cuda = device.backend();
    try (Tensor q = cuda.upload(qkv[0], "q");
        Tensor k = cuda.upload(qkv[1], "k");
        Tensor v = cuda.upload(qkv[2], "v");
        Tensor out = nothing(cuda, shape.tokens(), width);
        AttentionIndex index = cuda.index(patterns, shape, dispatch, firstTile, q, k)) {
      cuda.attention(index, shape, q, k, v, out);
      cuda.complete();
      actual = cuda.read(out);
      tiles =
          dispatch
              ? ReadIndex.tiles((CudaIndex) index)
              : PatternTiles.of(device, patterns, shape, firstTile, q, k);
      assertThat(index.cost().computedTiles()).as(what).isEqualTo(tiles.computedTiles());
    }
    Backend cpu = oracle.backend();
    try (Tensor q = cpu.upload(qkv[0], "q");
        Tensor k = cpu.upload(qkv[1], "k");
        Tensor v = cpu.upload(qkv[2], "v");
        Tensor out = nothing(cpu, shape.tokens(), width);
        AttentionIndex index = oracle.index(tiles, k)) {
      cpu.attention(index, shape, q, k, v, out);
      float[] expected = cpu.read(out);
      for (int i = 0; i < from; i++) {
        assertThat(actual[i]).as("%s: row before the first tile", what).isNaN();
        actual[i] = 0;
        expected[i] = 0;
      }
      spend(actual, expected, what + ", attention of " + patterns);
    }
  }

  private HeadPattern pattern() {
    return switch (random.nextInt(8)) {
      case 0 -> new HeadPattern.Dense();
      case 1 -> new HeadPattern.AShape(1 + random.nextInt(200), 1 + random.nextInt(400));
      case 2 -> new HeadPattern.VerticalSlash(1 + random.nextInt(150), 1 + random.nextInt(300));
      case 3 -> new HeadPattern.BlockSparse(1 + random.nextInt(8));
      case 4 -> new HeadPattern.VerticalOnly(1 + random.nextInt(150));
      case 5 -> new HeadPattern.SlashOnly(1 + random.nextInt(300));
      case 6 ->
          new HeadPattern.TriShape(
              random.nextInt(200), 1 + random.nextInt(400), 1 + random.nextInt(200));
      default ->
          new HeadPattern.Dilated(
              random.nextInt(200), random.nextInt(200), 1 + random.nextInt(400));
    };
  }
}
