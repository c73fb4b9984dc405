package io.sparsefill.udf.model;

import io.sparsefill.kernels.HostMatrix;
import java.nio.ByteBuffer;
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
    Objects.checkFromIndexSize((long) offset, (long) count * cols, (long) target.length);
    forEachPart(from, count, (part, first, n, done) -> part.read(first, n, target, offset + done));
  }

  @Override
  public void readBf16(long from, int count, ByteBuffer target, int offset) {
    long bytes = (long) count * cols * Short.BYTES;
    Objects.checkFromIndexSize((long) offset, bytes, (long) target.capacity());
    forEachPart(
        from,
        count,
        (part, first, n, done) -> part.readBf16(first, n, target, offset + done * Short.BYTES));
  }

  /** Elements [first, first + count) of a part, before which {@code done} of the rows' were. */
  private interface Run {
    void read(StoredTensor part, long first, int count, int done);
  }

  private void forEachPart(long from, int count, Run run) {
    Objects.checkFromIndexSize(from, (long) count, rows);
    long wanted = (long) count * cols;
    long first = from * cols;
    int done = 0;
    for (StoredTensor part : parts) {
      if (first >= part.elements()) {
        first -= part.elements();
      } else if (done < wanted) {
        int n = (int) Math.min(wanted - done, part.elements() - first);
        run.read(part, first, n, done);
        done += n;
        first = 0;
      }
    }
  }
}
