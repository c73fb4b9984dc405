package io.sparsefill.kernels.cpu;

/**
 * {@link TileMath} in plain loops: the reference of the tests, and what runs without the vector
 * module.
 */
final class ScalarTileMath implements TileMath {
  @Override
  public int widthStep() {
    return 1;
  }

  @Override
  public void scores(
      float[] q, int rows, int depth, float[] kt, int offset, int stride, float[] s) {
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < KEYS; c++) {
        s[r * KEYS + c] = 0;
      }
      for (int d = 0; d < depth; d++) {
        float x = q[r * depth + d];
        for (int c = 0; c < KEYS; c++) {
          s[r * KEYS + c] += x * kt[offset + d * stride + c];
        }
      }
    }
  }

  @Override
  public void accumulate(float[] p, int rows, float[] v, int offset, float[] o, int width) {
    for (int r = 0; r < rows; r++) {
      for (int j = 0; j < KEYS; j++) {
        float x = p[r * KEYS + j];
        for (int c = 0; c < width; c++) {
          o[r * width + c] += x * v[offset + j * width + c];
        }
      }
    }
  }

  @Override
  public void softmax(float[] s, int rows, float[] max, float[] sum, float[] o, int width) {
    for (int r = 0; r < rows; r++) {
      float top = max[r];
      for (int c = 0; c < KEYS; c++) {
        top = Math.max(top, s[r * KEYS + c]);
      }
      if (top == Float.NEGATIVE_INFINITY) {
        java.util.Arrays.fill(s, r * KEYS, (r + 1) * KEYS, 0f);
        continue;
      }
      if (top > max[r]) {
        float factor = (float) Math.pow(2, max[r] - top);
        for (int lane = 0; lane < SUM_LANES; lane++) {
          sum[r * SUM_LANES + lane] *= factor;
        }
        for (int c = 0; c < width; c++) {
          o[r * width + c] *= factor;
        }
        max[r] = top;
      }
      for (int c = 0; c < KEYS; c++) {
        float p = (float) Math.pow(2, s[r * KEYS + c] - top);
        s[r * KEYS + c] = p;
        sum[r * SUM_LANES + c % SUM_LANES] += p;
      }
    }
  }

  @Override
  public void probabilities(float[] s, int rows, float[] max, float[] factor) {
    for (int r = 0; r < rows; r++) {
      for (int c = r * KEYS; c < (r + 1) * KEYS; c++) {
        s[c] = (float) Math.pow(2, s[c] - max[r]) * factor[r];
      }
    }
  }

  @Override
  public void add(float[] target, int targetOffset, float[] source, int sourceOffset, int count) {
    for (int i = 0; i < count; i++) {
      target[targetOffset + i] += source[sourceOffset + i];
    }
  }

  @Override
  public void siluMul(float[] gate, int gateOffset, float[] up, int upOffset, int count) {
    for (int i = 0; i < count; i++) {
      float x = gate[gateOffset + i];
      gate[gateOffset + i] = (float) (x / (1 + Math.exp(-x))) * up[upOffset + i];
    }
  }

  @Override
  public double sumExp(float[] x, int offset, int count, float max) {
    double sum = 0;
    for (int i = offset; i < offset + count; i++) {
      sum += Math.exp(x[i] - max);
    }
    return sum;
  }
}
