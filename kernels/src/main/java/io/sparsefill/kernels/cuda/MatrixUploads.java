package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.Workers;
import java.nio.ByteBuffer;

/**
 * Copies weights to the device on a stream of their own: threads fill page-locked slots from the
 * checkpoint, and filling goes on while slots are copied. Used by one thread at a time.
 */
final class MatrixUploads implements AutoCloseable {
  private static final int SLOTS = 4;
  private static final int SLOT_BYTES = 16 << 20;

  private final Workers workers;
  private final CudaStream stream = new CudaStream();
  private final PinnedRing ring = new PinnedRing(SLOTS, SLOT_BYTES);

  MatrixUploads(Workers workers) {
    this.workers = workers;
  }

  CudaStream stream() {
    return stream;
  }

  /**
   * Enqueues the copy of a matrix into a bf16 tensor of the same shape, rounding to nearest even.
   * The matrix has been read when this returns.
   */
  void send(HostMatrix matrix, CudaTensor target) {
    int rowBytes = Math.toIntExact(target.rowBytes());
    if (rowBytes > SLOT_BYTES) {
      throw new IllegalArgumentException(
          "Cannot upload rows of %,d bytes: a buffer holds %,d".formatted(rowBytes, SLOT_BYTES));
    }
    int step = SLOT_BYTES / rowBytes;
    for (long from = 0; from < matrix.rows(); from += step) {
      long first = from;
      int count = (int) Math.min(step, matrix.rows() - from);
      PinnedRing.Slot slot = ring.take();
      workers.ranges(
          count, (row, rows) -> fill(matrix, first + row, rows, slot, (int) row, rowBytes));
      slot.send(
          target.memory(), target.firstByte() + from * rowBytes, (long) count * rowBytes, stream);
    }
  }

  private static void fill(
      HostMatrix matrix, long from, int rows, PinnedRing.Slot slot, int slotRow, int rowBytes) {
    ByteBuffer bytes = slot.bytes();
    if (matrix.cols() * ElementType.BF16.bytes() == rowBytes) {
      matrix.readBf16(from, rows, bytes, slotRow * rowBytes);
      return;
    }
    for (int row = 0; row < rows; row++) {
      matrix.readBf16(from + row, 1, bytes, (slotRow + row) * rowBytes);
    }
  }

  @Override
  public void close() {
    ring.close();
    stream.close();
  }
}
