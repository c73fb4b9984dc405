package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.AttentionShape;
import java.nio.FloatBuffer;

/**
 * The operators that work on one row at a time. Rows are copied to the heap, where loops compile to
 * vectors.
 */
final class CpuRows {
  private CpuRows() {}

  /** One RMS norm in place over x[offset .. offset + n). */
  static void rmsNorm(float[] x, int offset, int n, float[] weight, float eps) {
    // Four sums: a single one would wait for each addition.
    double a = 0;
    double b = 0;
    double c = 0;
    double d = 0;
    int i = offset;
    for (; i + 4 <= offset + n; i += 4) {
      a += x[i] * x[i];
      b += x[i + 1] * x[i + 1];
      c += x[i + 2] * x[i + 2];
      d += x[i + 3] * x[i + 3];
    }
    for (; i < offset + n; i++) {
      a += x[i] * x[i];
    }
    float factor = (float) (1 / Math.sqrt((a + b + c + d) / n + eps));
    for (int j = 0; j < n; j++) {
      x[offset + j] = x[offset + j] * factor * weight[j];
    }
  }

  /**
   * Rotates one head in place (RoFormer, arXiv 2104.09864).
   *
   * @param table cosines of all pairs, then their sines
   */
  static void rotate(float[] x, int offset, float[] table, int pairs, boolean interleaved) {
    if (interleaved) {
      for (int i = 0; i < pairs; i++) {
        float first = x[offset + 2 * i];
        float second = x[offset + 2 * i + 1];
        x[offset + 2 * i] = first * table[i] - second * table[pairs + i];
        x[offset + 2 * i + 1] = second * table[i] + first * table[pairs + i];
      }
    } else {
      for (int i = 0; i < pairs; i++) {
        float first = x[offset + i];
        float second = x[offset + pairs + i];
        x[offset + i] = first * table[i] - second * table[pairs + i];
        x[offset + pairs + i] = second * table[i] + first * table[pairs + i];
      }
    }
  }

  /** Norm weights of queries and keys [D], or both null. */
  @SuppressWarnings("ArrayRecordComponent") // host copies for one call
  record Norms(float[] q, float[] k, float eps) {}

  /**
   * Splits and rotates rows [from, from + count) of a projected chunk; see Backend#splitAndRotate.
   */
  static void splitAndRotate(
      CpuTensor qkv,
      int from,
      int count,
      AttentionShape shape,
      int position,
      CpuTensor rope,
      boolean interleaved,
      Norms norms,
      CpuTensor q,
      CpuTensor k,
      CpuTensor v) {
    int d = shape.headDim();
    int queries = q == null ? 0 : shape.heads();
    int keyStart = queries * d;
    int valueStart = keyStart + shape.kvHeads() * d;
    int pairs = (int) rope.cols() / 2;
    float[] row = new float[(int) qkv.cols()];
    float[] table = new float[2 * pairs];
    FloatBuffer source = qkv.buffer(from, count);
    FloatBuffer tables = rope.buffer((long) position + from, count);
    FloatBuffer qs = q == null ? null : q.buffer(from, count);
    FloatBuffer ks = k.buffer(from, count);
    FloatBuffer vs = v.buffer(from, count);
    for (int r = 0; r < count; r++) {
      source.get(r * row.length, row);
      tables.get(r * table.length, table);
      for (int head = 0; head < queries + shape.kvHeads(); head++) {
        if (norms != null) {
          rmsNorm(row, head * d, d, head < queries ? norms.q() : norms.k(), norms.eps());
        }
        rotate(row, head * d, table, pairs, interleaved);
      }
      if (qs != null) {
        qs.put(r * keyStart, row, 0, keyStart);
      }
      ks.put(r * (valueStart - keyStart), row, keyStart, valueStart - keyStart);
      vs.put(r * (row.length - valueStart), row, valueStart, row.length - valueStart);
    }
  }
}
