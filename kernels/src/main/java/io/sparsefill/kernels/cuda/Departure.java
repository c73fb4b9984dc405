package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.KvDtype;
import java.nio.ByteBuffer;
import jcuda.driver.JCudaDriver;

/**
 * How keys and values leave the device: packed on a stream of their own, which waits only until
 * they are written, so that the layer's attention runs meanwhile. Used by one thread at a time,
 * which may be another one than the pre-fill's.
 */
final class Departure implements AutoCloseable {
  private static final int BUFFER_BYTES = 8 << 20;

  /** Two words behind the packed elements: the first element that is not finite, or too large. */
  private static final int BAD_BYTES = 2 * Long.BYTES;

  private final CudaContext context;
  private final CudaStream computing;
  private final CudaStream leaving = new CudaStream();
  private final CudaStream.Event reached = new CudaStream.Event();
  private final Kernel kernel;
  private final PinnedBuffer buffer = new PinnedBuffer(BUFFER_BYTES + BAD_BYTES);
  private final DeviceMemory.Block packed;

  Departure(CudaContext context, DeviceMemory memory, CudaStream computing) {
    this.context = context;
    this.computing = computing;
    this.kernel = context.module("rows").kernel("pack");
    this.packed = memory.allocate(BUFFER_BYTES + BAD_BYTES, "packing keys and values");
  }

  /** Rows in storage order; see {@link io.sparsefill.kernels.Backend#pack}. */
  synchronized byte[] pack(CudaTensor rows, KvDtype dtype) {
    context.enter();
    if (!rows.awaitedBy(leaving)) {
      computing.record(reached);
      leaving.await(reached);
    }
    int cols = Math.toIntExact(rows.cols());
    long rowBytes = (long) cols * dtype.bytes();
    if (rowBytes > BUFFER_BYTES) {
      throw new IllegalArgumentException(
          "Cannot pack rows of %,d bytes: the buffer holds %,d".formatted(rowBytes, BUFFER_BYTES));
    }
    byte[] target = new byte[Math.toIntExact(rows.rows() * rowBytes)];
    long step = BUFFER_BYTES / rowBytes;
    for (long from = 0; from < rows.rows(); from += step) {
      long count = Math.min(step, rows.rows() - from);
      part(rows.rows(from, count), from, dtype, target, Math.toIntExact(from * rowBytes));
    }
    return target;
  }

  private void part(CudaTensor rows, long firstRow, KvDtype dtype, byte[] target, int at) {
    long elements = rows.rows() * rows.cols();
    int bytes = Math.toIntExact(elements * dtype.bytes());
    check(
        JCudaDriver.cuMemsetD8Async(
            packed.at(BUFFER_BYTES), (byte) 0xff, BAD_BYTES, leaving.handle()),
        "clear the marks of bad elements");
    long perBlock = (long) kernel.threads() * kernel.first();
    kernel.launch(
        leaving,
        (elements + perBlock - 1) / perBlock,
        1,
        new RowParameters.Pack(
            rows.address(),
            packed.address(),
            packed.address() + BUFFER_BYTES,
            rows.stride(),
            elements,
            Math.toIntExact(rows.cols()),
            rows.type() == ElementType.FP32,
            dtype.ordinal()));
    buffer.copyFrom(packed, 0, bytes, 0, leaving);
    buffer.copyFrom(packed, BUFFER_BYTES, BAD_BYTES, BUFFER_BYTES, leaving);
    leaving.synchronize("packing keys and values");
    ByteBuffer host = buffer.bytes();
    checkElements(rows, firstRow, dtype, host, BUFFER_BYTES);
    host.get(0, target, at, bytes);
  }

  private void checkElements(
      CudaTensor rows, long firstRow, KvDtype dtype, ByteBuffer host, int marks) {
    long notFinite = host.getLong(marks);
    if (notFinite >= 0) {
      throw new ArithmeticException(
          "Cannot store row %d, column %d: it is %s; check the model's weights"
              .formatted(
                  firstRow + notFinite / rows.cols(),
                  notFinite % rows.cols(),
                  element(rows, notFinite)));
    }
    long tooLarge = host.getLong(marks + Long.BYTES);
    if (dtype == KvDtype.FP16 && tooLarge >= 0) {
      throw new ArithmeticException(
          "Cannot store %g as fp16, whose largest value is 65504: use --kv-dtype bf16"
              .formatted(element(rows, tooLarge)));
    }
  }

  /** One element, for an error's message. */
  private float element(CudaTensor rows, long index) {
    long at =
        rows.firstByte()
            + index / rows.cols() * rows.rowBytes()
            + index % rows.cols() * rows.type().bytes();
    buffer.copyFrom(rows.memory(), at, rows.type().bytes(), 0, leaving);
    leaving.synchronize("reading an element");
    return rows.type() == ElementType.FP32
        ? buffer.bytes().getFloat(0)
        : HalfFloats.fromBf16(buffer.bytes().getShort(0));
  }

  @Override
  public void close() {
    leaving.synchronize("packing keys and values");
    reached.close();
    leaving.close();
    buffer.close();
    packed.close();
  }
}
