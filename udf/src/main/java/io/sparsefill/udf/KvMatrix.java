package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.PackedRows;
import io.sparsefill.kernels.Tensor;

/**
 * Stored keys or values as a matrix [tokens, G * D], to bring them onto a device.
 *
 * @param numbers a whole number of rows
 */
record KvMatrix(KvNumbers numbers, int cols) implements HostMatrix {
  /**
   * What becomes of a tensor when it is stored.
   *
   * @param tensor [T, G * D], at most 2 GiB in the type
   */
  static KvMatrix stored(Backend backend, Tensor tensor, KvDtype dtype, int headDim) {
    int rows = Math.toIntExact(tensor.rows());
    int cols = Math.toIntExact(tensor.cols());
    int rowBytes = cols * dtype.bytes();
    int scaleBytes = cols / headDim * dtype.scaleBytes();
    byte[] bytes = new byte[Math.multiplyExact(rows, rowBytes)];
    byte[] scales = dtype.scaled() ? new byte[rows * scaleBytes] : null;
    int most = backend.packedRows(cols, dtype, headDim);
    for (int from = 0; from < rows; from += most) {
      int count = Math.min(most, rows - from);
      try (PackedRows packed = backend.pack(tensor.rows(from, count), dtype, headDim)) {
        packed.copy(0, count, from, bytes, from * rowBytes);
        if (scales != null) {
          packed.copyScales(0, count, scales, from * scaleBytes);
        }
      }
    }
    return new KvMatrix(KvNumbers.of(dtype, bytes, scales), cols);
  }

  @Override
  public long rows() {
    return numbers.count() / cols;
  }

  @Override
  public void read(long from, int count, float[] target, int offset) {
    int first = Math.toIntExact(from * cols);
    for (int i = 0; i < count * cols; i++) {
      target[offset + i] = numbers.at(first + i);
    }
  }
}
