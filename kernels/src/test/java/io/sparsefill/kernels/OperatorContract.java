package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparsefill.kernels.Backend.QkNorm;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What the operators of every backend but attention must hold. The oracle of each is its definition
 * as plain loops in double.
 */
public abstract class OperatorContract extends BackendContract {
  private static final int[] SIZES = {1, 7, 63, 64, 65};

  private Backend backend;
  private Random random;

  @BeforeEach
  void begin() {
    backend = device.backend();
    random = new Random(11);
  }

  private ErrorBudget budget(String family) {
    return new ErrorBudget(backend.device() + ": " + family, device.tolerance());
  }

  private ArrayMatrix matrix(int rows, int cols) {
    return ArrayMatrix.random(rows, cols, 1, random);
  }

  private Tensor upload(ArrayMatrix matrix) {
    return backend.upload(matrix, "a test");
  }

  /** Memory that holds NaN, so that an element which is never written shows. */
  private Tensor poisoned(int rows, int cols) {
    return upload(ArrayMatrix.of(rows, cols, Float.NaN));
  }

  @Test
  void embedCopiesTheTokensRows() {
    ArrayMatrix table = matrix(50, 33);
    int[] tokens = new int[70];
    for (int i = 0; i < tokens.length; i++) {
      tokens[i] = random.nextInt(50);
    }
    tokens[69] = 49;
    checkEmbed(table, tokens);
    // Rows of more than one turn of a GPU's block.
    checkEmbed(matrix(50, 4107), tokens);
  }

  private void checkEmbed(ArrayMatrix table, int[] tokens) {
    int cols = (int) table.cols();
    try (Tensor source = upload(table)) {
      for (int rows : SIZES) {
        int from = tokens.length - rows;
        try (Tensor out = poisoned(rows, cols)) {
          backend.embed(source, tokens, from, out);
          float[] expected = new float[rows * cols];
          for (int r = 0; r < rows; r++) {
            System.arraycopy(table.values(), tokens[from + r] * cols, expected, r * cols, cols);
          }
          assertThat(backend.read(out)).isEqualTo(expected);
        }
      }
    }
  }

  @Test
  void tokensOutsideOfTheTableAreRefused() {
    try (Tensor table = upload(matrix(50, 8));
        Tensor out = poisoned(3, 8)) {
      for (int bad : new int[] {50, -1, Integer.MAX_VALUE}) {
        assertThatThrownBy(() -> backend.embed(table, new int[] {9, 1, bad, 2}, 1, out))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("token " + bad)
            .hasMessageContaining("position 2")
            .hasMessageContaining("50 rows");
      }
    }
  }

  @Test
  void rmsNormMatchesItsDefinition() {
    try (ErrorBudget budget = budget("rmsNorm")) {
      // The last: more than a GPU's block keeps in registers.
      for (int cols : new int[] {1, 7, 63, 64, 65, 512, 8219}) {
        for (int rows : cols > 1000 ? new int[] {2} : SIZES) {
          for (float eps : new float[] {1e-5f, 1f}) {
            ArrayMatrix x = matrix(rows, cols);
            Arrays.fill(x.values(), 0, cols, rows > 1 ? 0 : 0x1p-13f);
            ArrayMatrix weight = matrix(1, cols);
            double[] expected = new double[rows * cols];
            for (int r = 0; r < rows; r++) {
              norm(x.values(), r * cols, cols, weight.values(), eps, expected);
            }
            String what = "[%d, %d], eps %s".formatted(rows, cols, eps);
            try (Tensor in = upload(x);
                Tensor w = upload(weight);
                Tensor out = poisoned(rows, cols)) {
              backend.rmsNorm(in, w, eps, out);
              budget.spend(backend.read(out), expected, what);
              assertThat(backend.read(in)).isEqualTo(x.values());
              backend.rmsNorm(in, w, eps, in);
              assertThat(backend.read(in)).as("in place").isEqualTo(backend.read(out));
            }
          }
        }
      }
    }
  }

  private static void norm(float[] x, int at, int n, float[] weight, float eps, double[] out) {
    double squares = 0;
    for (int i = 0; i < n; i++) {
      squares += (double) x[at + i] * x[at + i];
    }
    double factor = 1 / Math.sqrt(squares / n + eps);
    for (int i = 0; i < n; i++) {
      out[at + i] = x[at + i] * factor * weight[i];
    }
  }

  @Test
  void linearMatchesADoubleProduct() {
    try (ErrorBudget budget = budget("linear")) {
      for (int rows : SIZES) {
        for (int n : SIZES) {
          for (int depth : new int[] {1, 7, 65, 300}) {
            for (int kind = 0; kind < 4; kind++) {
              linear(rows, n, depth, kind % 2 == 1, kind / 2 == 1, budget);
            }
          }
        }
      }
    }
  }

  private void linear(
      int rows, int n, int depth, boolean bias, boolean accumulate, ErrorBudget budget) {
    ArrayMatrix a = matrix(rows, depth);
    ArrayMatrix w = matrix(n, depth);
    ArrayMatrix b = matrix(1, n);
    ArrayMatrix before = matrix(rows, n);
    double[] expected = new double[rows * n];
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < n; c++) {
        double sum = (bias ? b.at(0, c) : 0) + (accumulate ? before.at(r, c) : 0);
        for (int d = 0; d < depth; d++) {
          sum += (double) a.at(r, d) * w.at(c, d);
        }
        expected[r * n + c] = sum;
      }
    }
    try (Tensor left = upload(a);
        Tensor right = upload(w);
        Tensor offsets = upload(b);
        Tensor out = accumulate ? upload(before) : poisoned(rows, n)) {
      backend.linear(left, right, bias ? offsets : null, out, accumulate);
      budget.spend(
          backend.read(out),
          expected,
          "[%d, %d] x [%d, %d]^T, bias %s, accumulate %s"
              .formatted(rows, depth, n, depth, bias, accumulate));
    }
  }

  @Test
  void linearRefusesShapesThatDoNotFit() {
    try (Tensor a = upload(matrix(3, 4));
        Tensor w = upload(matrix(5, 4));
        Tensor wrongDepth = upload(matrix(5, 3));
        Tensor wrongBias = upload(matrix(1, 4));
        Tensor out = poisoned(3, 5);
        Tensor wrongOut = poisoned(3, 4)) {
      assertThatThrownBy(() -> backend.linear(a, wrongDepth, null, out, false))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("Product of [3, 4] and [5, 3]^T does not fit [3, 5]");
      assertThatThrownBy(() -> backend.linear(a, w, null, wrongOut, false))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("Product of [3, 4] and [5, 4]^T does not fit [3, 4]");
      assertThatThrownBy(() -> backend.linear(a, w, wrongBias, out, false))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("[1, 4]");
    }
  }

  @Test
  void ropeTablesHoldCosinesAndSinesOfFp32Angles() {
    double[] frequencies = {1, 0.3, 1e-4};
    double scaling = 1.25;
    try (Tensor table = backend.rope(new RopeTable(8, false, frequencies, scaling), 5000)) {
      float[] values = backend.read(table);
      assertThat(table.cols()).isEqualTo(6);
      for (int t = 0; t < 5000; t++) {
        for (int i = 0; i < 3; i++) {
          // The angle is rounded to fp32, as the engines that read the cache do.
          double angle = (float) t * (float) frequencies[i];
          assertThat((double) values[t * 6 + i]).isCloseTo(scaling * Math.cos(angle), within(2e-7));
          assertThat((double) values[t * 6 + 3 + i])
              .isCloseTo(scaling * Math.sin(angle), within(2e-7));
        }
      }
    }
  }

  @Test
  void splitAndRotateMatchesItsDefinition() {
    try (ErrorBudget budget = budget("splitAndRotate")) {
      for (int rows : SIZES) {
        for (int position : new int[] {0, 1, 1000}) {
          for (int kind = 0; kind < 8; kind++) {
            // head_dim 10 with 3 rotated pairs leaves 4 dimensions as they are.
            AttentionShape shape = AttentionInput.shape(2000, 6, 2, 10, 0);
            split(
                shape, 3, rows, position, kind % 2 == 1, kind / 2 % 2 == 1, kind / 4 == 1, budget);
            split(
                shape, 5, rows, position, kind % 2 == 1, kind / 2 % 2 == 1, kind / 4 == 1, budget);
          }
        }
      }
    }
  }

  @Test
  void splitAndRotateMatchesItsDefinitionForTheHeadsOfModels() {
    // head_dim, rotated pairs: whole heads, parts of them, and pairs that fill no vector.
    int[][] heads = {
      {128, 64}, {128, 32}, {96, 48}, {80, 40}, {80, 16}, {64, 32}, {64, 12}, {32, 16}, {16, 8}
    };
    try (ErrorBudget budget = budget("splitAndRotate of models")) {
      for (int[] head : heads) {
        for (int kind = 0; kind < 8; kind++) {
          AttentionShape shape = AttentionInput.shape(2000, 6, 2, head[0], 0);
          split(shape, head[1], 5, 77, kind % 2 == 1, kind / 2 % 2 == 1, kind / 4 == 1, budget);
        }
      }
    }
  }

  private void split(
      AttentionShape shape,
      int pairs,
      int rows,
      int position,
      boolean interleaved,
      boolean withQueries,
      boolean withNorms,
      ErrorBudget budget) {
    int d = shape.headDim();
    int queries = withQueries ? shape.heads() : 0;
    int heads = queries + 2 * shape.kvHeads();
    double[] frequencies = new double[pairs];
    Arrays.setAll(frequencies, i -> Math.pow(10, -i));
    RopeTable table = new RopeTable(d, interleaved, frequencies, 1.1);
    ArrayMatrix qkv = matrix(rows, heads * d);
    ArrayMatrix qNorm = matrix(1, d);
    ArrayMatrix kNorm = matrix(1, d);
    double[] expected = new double[rows * heads * d];
    for (int i = 0; i < expected.length; i++) {
      expected[i] = qkv.values()[i];
    }
    for (int r = 0; r < rows; r++) {
      for (int head = 0; head < queries + shape.kvHeads(); head++) {
        int at = (r * heads + head) * d;
        if (withNorms) {
          norm(qkv.values(), at, d, (head < queries ? qNorm : kNorm).values(), 1e-6f, expected);
        }
        rotate(expected, at, table, position + r);
      }
    }
    String what =
        "%d rows at %d, %d pairs, interleaved %s, queries %s, norms %s"
            .formatted(rows, position, pairs, interleaved, withQueries, withNorms);
    int kvCols = shape.kvHeads() * d;
    try (Tensor in = upload(qkv);
        Tensor rope = backend.rope(table, position + rows);
        Tensor qw = upload(qNorm);
        Tensor kw = upload(kNorm);
        Tensor q = poisoned(rows, shape.heads() * d);
        Tensor k = poisoned(rows, kvCols);
        Tensor v = poisoned(rows, kvCols)) {
      QkNorm norms = withNorms ? new QkNorm(qw, kw, 1e-6f) : null;
      backend.splitAndRotate(
          in, shape, position, rope, interleaved, norms, withQueries ? q : null, k, v);
      if (withQueries) {
        budget.spend(backend.read(q), part(expected, rows, heads * d, 0, queries * d), what);
      }
      int kCol = queries * d;
      budget.spend(backend.read(k), part(expected, rows, heads * d, kCol, kvCols), what);
      double[] values = part(expected, rows, heads * d, kCol + kvCols, kvCols);
      float[] got = backend.read(v);
      for (int i = 0; i < got.length; i++) {
        assertThat((double) got[i]).as("values are copied: %s", what).isEqualTo(values[i]);
      }
    }
  }

  /** RoFormer's rotation, each pair by itself. */
  private static void rotate(double[] x, int at, RopeTable table, int position) {
    int pairs = table.inverseFrequency().length;
    for (int i = 0; i < pairs; i++) {
      int a = at + (table.interleaved() ? 2 * i : i);
      int b = table.interleaved() ? a + 1 : a + pairs;
      double angle = (float) position * (float) table.inverseFrequency()[i];
      double cos = Math.cos(angle) * table.attentionScaling();
      double sin = Math.sin(angle) * table.attentionScaling();
      double first = x[a];
      x[a] = first * cos - x[b] * sin;
      x[b] = x[b] * cos + first * sin;
    }
  }

  private static double[] part(double[] rows, int count, int cols, int from, int width) {
    double[] part = new double[count * width];
    for (int r = 0; r < count; r++) {
      System.arraycopy(rows, r * cols + from, part, r * width, width);
    }
    return part;
  }

  @Test
  void siluMulMatchesItsDefinitionAlsoFarFromZero() {
    float[] special = {100, -100, 0f, -0f, 20, -20, 88, -88, 9984, -9984, 0x1p-100f, -0x1p-100f};
    try (ErrorBudget budget = budget("siluMul")) {
      for (int rows : SIZES) {
        for (int n : new int[] {1, 7, 12, 63, 64, 65, 100, rows == 1 ? 4872 : 8}) {
          ArrayMatrix gateUp = ArrayMatrix.random(rows, 2 * n, 3, random);
          for (int i = 0; i < Math.min(n, special.length); i++) {
            gateUp.values()[i] = special[i];
          }
          double[] expected = new double[rows * n];
          for (int r = 0; r < rows; r++) {
            for (int c = 0; c < n; c++) {
              double x = gateUp.at(r, c);
              expected[r * n + c] = x / (1 + Math.exp(-x)) * gateUp.at(r, n + c);
            }
          }
          try (Tensor in = upload(gateUp);
              Tensor out = poisoned(rows, n)) {
            backend.siluMul(in, out);
            budget.spend(backend.read(out), expected, "[%d, %d]".formatted(rows, n));
          }
        }
      }
    }
  }

  @Test
  void nllMatchesLogSumExpInDouble() {
    try (ErrorBudget budget = budget("nll")) {
      for (int rows : SIZES) {
        for (int vocabulary : new int[] {1, 7, 63, 64, 65, 1000, 4099}) {
          for (double deviation : new double[] {1, 30, 1e4}) {
            ArrayMatrix logits = ArrayMatrix.random(rows, vocabulary, deviation, random);
            int from = 3;
            int offset = 2;
            int[] targets = new int[from + rows];
            float[] result = new float[offset + rows + 1];
            Arrays.fill(result, Float.NaN);
            double[] expected = new double[rows];
            for (int r = 0; r < rows; r++) {
              targets[from + r] = random.nextInt(vocabulary);
              double max = Double.NEGATIVE_INFINITY;
              for (int c = 0; c < vocabulary; c++) {
                max = Math.max(max, logits.at(r, c));
              }
              double sum = 0;
              for (int c = 0; c < vocabulary; c++) {
                sum += Math.exp(logits.at(r, c) - max);
              }
              expected[r] = max + Math.log(sum) - logits.at(r, targets[from + r]);
            }
            try (Tensor tensor = upload(logits)) {
              backend.nll(tensor, targets, from, result, offset);
            }
            assertThat(result[offset - 1]).isNaN();
            assertThat(result[offset + rows]).isNaN();
            budget.spend(
                Arrays.copyOfRange(result, offset, offset + rows),
                expected,
                "[%d, %d], deviation %s".formatted(rows, vocabulary, deviation));
          }
        }
      }
    }
  }
}
