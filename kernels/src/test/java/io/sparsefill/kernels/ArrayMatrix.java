package io.sparsefill.kernels;

import java.util.Arrays;
import java.util.Random;

/**
 * A host matrix in an array, for uploads.
 *
 * @param cols columns of the row-major {@code values}
 */
@SuppressWarnings("ArrayRecordComponent") // handed to a backend, never compared
public record ArrayMatrix(int cols, float[] values) implements HostMatrix {
  /**
   * Normally distributed numbers that a bf16 holds, so that every backend gets the same ones
   * whatever its element type is.
   */
  public static ArrayMatrix random(int rows, int cols, double deviation, Random random) {
    float[] values = new float[rows * cols];
    for (int i = 0; i < values.length; i++) {
      float value = (float) (deviation * random.nextGaussian());
      values[i] = HalfFloats.fromBf16(HalfFloats.toBf16(value));
    }
    return new ArrayMatrix(cols, values);
  }

  /** The same number everywhere. */
  public static ArrayMatrix of(int rows, int cols, float value) {
    float[] values = new float[rows * cols];
    Arrays.fill(values, value);
    return new ArrayMatrix(cols, values);
  }

  @Override
  public long rows() {
    return values.length / cols;
  }

  @Override
  public void read(long from, int count, float[] target, int offset) {
    System.arraycopy(values, Math.toIntExact(from * cols), target, offset, count * cols);
  }

  float at(int row, int col) {
    return values[row * cols + col];
  }
}
