package io.sparsefill.udf.bench;

import io.sparsefill.kernels.HostMatrix;
import java.util.Arrays;

/**
 * A tensor of a model that is being made.
 *
 * @param name with its {@code .weight}
 * @param vector whether it is stored with one dimension, as the weights of norms are
 * @param values computed when they are read
 */
record ModelTensor(String name, boolean vector, HostMatrix values) {
  /** A matrix. */
  static ModelTensor matrix(String name, HostMatrix values) {
    return new ModelTensor(name + ".weight", false, values);
  }

  /** A norm's weight, all ones. */
  static ModelTensor ones(String name, int size) {
    return new ModelTensor(name + ".weight", true, new Ones(size));
  }

  /** Elements. */
  long size() {
    return values.rows() * values.cols();
  }

  private record Ones(int cols) implements HostMatrix {
    @Override
    public long rows() {
      return 1;
    }

    @Override
    public void read(long from, int count, float[] target, int offset) {
      Arrays.fill(target, offset, offset + count * cols, 1);
    }
  }
}
