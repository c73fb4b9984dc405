package io.sparsefill.udf.model;

import io.sparsefill.kernels.HostMatrix;
import java.util.List;
import java.util.Objects;

/**
 * A matrix whose elements are those of one or more stored tensors, one after the other: a tensor as
 * it is, projections stacked by rows, or biases joined to one row. Nothing is copied before {@link
 * #read}.
 */
final class StoredMatrix implements HostMatrix {
  private final long rows;
  private final int cols;
  private final StoredTensor[] parts;

  private StoredMatrix(long rows, int cols, List<StoredTensor> parts) {
    this.rows = rows;
    this.cols = cols;
    this.parts = parts.toArray(StoredTensor[]::new);
  }

  /**
   * A matrix of that size; together the tensors must have its number of elements.
   *
   * @throws IllegalArgumentException if they have not, or if a tensor's dtype is not one of weights
   */
  static StoredMatrix of(long rows, int cols, List<StoredTensor> parts) {
    long elements = 0;
    for (StoredTensor part : parts) {
      if (!part.dtype().isWeight()) {
        throw new IllegalArgumentException(
            "Cannot read tensor '%s' of dtype %s as a weight; accepted: BF16, F16, F32"
                .formatted(part.name(), part.dtype()));
      }
      elements += part.elements();
    }
    if (elements != rows * cols) {
      throw new IllegalArgumentException(
          "Cannot view %d elements of %s as %d x %d"
              .formatted(elements, parts.stream().map(StoredTensor::name).toList(), rows, cols));
    }
    return new StoredMatrix(rows, cols, parts);
  }

  @Override
  public long rows() {
    return rows;
  }

  @Override
  public int cols() {
    return cols;
  }

  @Override
  public void read(long from, int count, float[] target, int offset) {
    Objects.checkFromIndexSize(from, (long) count, rows);
    long wanted = (long) count * cols;
    Objects.checkFromIndexSize((long) offset, wanted, (long) target.length);
    long first = from * cols;
    int done = 0;
    for (StoredTensor part : parts) {
      if (first >= part.elements()) {
        first -= part.elements();
      } else if (done < wanted) {
        int n = (int) Math.min(wanted - done, part.elements() - first);
        part.read(first, n, target, offset + done);
        done += n;
        first = 0;
      }
    }
  }
}
