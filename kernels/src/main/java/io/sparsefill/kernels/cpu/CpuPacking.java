package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.E4m3;
import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.PackedRows;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/** Keys and values in the element type in which they are stored; see {@link PackedRows}. */
final class CpuPacking {
  private static final VarHandle LITTLE_ENDIAN_SHORT =
      MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);

  private static final VarHandle LITTLE_ENDIAN_FLOAT =
      MethodHandles.byteArrayViewVarHandle(float[].class, ByteOrder.LITTLE_ENDIAN);

  private CpuPacking() {}

  /**
   * Rows as little-endian elements of a type; see {@link PackedRows#copy}.
   *
   * @param heads into which the columns of a row are divided
   */
  static void pack(
      CpuTensor rows, KvDtype dtype, int heads, long named, byte[] target, int offset) {
    int cols = (int) rows.cols();
    int count = Math.toIntExact(rows.rows());
    float[] row = new float[cols];
    FloatBuffer buffer = rows.buffer(0, count);
    for (int r = 0; r < count; r++) {
      buffer.get(r * cols, row);
      checkFinite(row, named + r);
      int at = offset + r * cols * dtype.bytes();
      switch (dtype) {
        case BF16 -> {
          for (int c = 0; c < cols; c++) {
            LITTLE_ENDIAN_SHORT.set(target, at + 2 * c, HalfFloats.toBf16(row[c]));
          }
        }
        case FP16 -> packFp16(row, target, at);
        case FP32 -> {
          for (int c = 0; c < cols; c++) {
            LITTLE_ENDIAN_FLOAT.set(target, at + 4 * c, row[c]);
          }
        }
        case FP8 -> {
          for (int head = 0; head < heads; head++) {
            packFp8(row, head * (cols / heads), cols / heads, target, at);
          }
        }
      }
    }
  }

  /** The scales of rows, little-endian fp32 [row][head]. */
  static void scales(CpuTensor rows, int heads, byte[] target, int offset) {
    int cols = (int) rows.cols();
    int count = Math.toIntExact(rows.rows());
    int headDim = cols / heads;
    float[] row = new float[cols];
    FloatBuffer buffer = rows.buffer(0, count);
    for (int r = 0; r < count; r++) {
      buffer.get(r * cols, row);
      for (int head = 0; head < heads; head++) {
        int at = offset + (r * heads + head) * Float.BYTES;
        LITTLE_ENDIAN_FLOAT.set(target, at, scale(row, head * headDim, headDim));
      }
    }
  }

  private static void checkFinite(float[] row, long r) {
    for (int c = 0; c < row.length; c++) {
      if (!Float.isFinite(row[c])) {
        throw PackedRows.notFinite(r, c, row[c]);
      }
    }
  }

  private static void packFp16(float[] row, byte[] target, int at) {
    for (int c = 0; c < row.length; c++) {
      if (HalfFloats.overflowsFp16(row[c])) {
        throw PackedRows.beyondFp16(row[c]);
      }
      LITTLE_ENDIAN_SHORT.set(target, at + 2 * c, HalfFloats.toFp16(row[c]));
    }
  }

  private static void packFp8(float[] row, int from, int headDim, byte[] target, int at) {
    float scale = scale(row, from, headDim);
    for (int c = from; c < from + headDim; c++) {
      target[at + c] = E4m3.of(row[c] / scale);
    }
  }

  private static float scale(float[] row, int from, int headDim) {
    float largest = 0;
    for (int c = from; c < from + headDim; c++) {
      largest = Math.max(largest, Math.abs(row[c]));
    }
    return E4m3.scale(largest);
  }
}
