package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.Workers;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.ShortBuffer;

/**
 * Copies between host arrays and device memory, through one page-locked buffer and in the order of
 * a stream. Each call waits until its copies are done, so the buffer is free for the next.
 */
final class Transfers implements AutoCloseable {
  private static final int BUFFER_BYTES = 32 << 20;

  private final CudaStream stream;
  private final Workers workers;
  private final PinnedBuffer buffer = new PinnedBuffer(BUFFER_BYTES);

  Transfers(CudaStream stream, Workers workers) {
    this.stream = stream;
    this.workers = workers;
  }

  /** Copies a matrix into a bf16 tensor of the same shape, rounding to nearest even. */
  void upload(HostMatrix matrix, CudaTensor target) {
    int cols = matrix.cols();
    int stride = Math.toIntExact(target.stride());
    int step = Math.toIntExact(Math.max(1, buffer.size() / target.rowBytes()));
    for (long from = 0; from < matrix.rows(); from += step) {
      long first = from;
      int count = (int) Math.min(step, matrix.rows() - from);
      workers.ranges(
          count,
          (row, rows) -> {
            int part = Math.max(1, (1 << 16) / cols);
            float[] values = new float[Math.min(part, rows) * cols];
            short[] rounded = new short[stride];
            ByteBuffer bytes = buffer.bytes();
            bytes.position((int) row * stride * Short.BYTES);
            ShortBuffer shorts = bytes.slice().order(ByteOrder.LITTLE_ENDIAN).asShortBuffer();
            for (int r = 0; r < rows; r += part) {
              int now = Math.min(part, rows - r);
              matrix.read(first + row + r, now, values, 0);
              for (int i = 0; i < now; i++) {
                for (int c = 0; c < cols; c++) {
                  rounded[c] = HalfFloats.toBf16(values[i * cols + c]);
                }
                shorts.put(rounded);
              }
            }
          });
      buffer.copyTo(
          target.memory(),
          target.firstByte() + from * target.rowBytes(),
          count * target.rowBytes(),
          stream);
      stream.synchronize("an upload");
    }
  }

  /** Copies ints into device memory, {@code offset} bytes in. */
  void upload(IntBuffer values, DeviceMemory.Block target, long offset) {
    IntBuffer source = values.duplicate();
    long at = offset;
    while (source.hasRemaining()) {
      int count = Math.min(source.remaining(), buffer.size() / Integer.BYTES);
      IntBuffer part = source.slice(source.position(), count);
      buffer.bytes().asIntBuffer().put(part);
      buffer.copyTo(target, at, (long) count * Integer.BYTES, stream);
      stream.synchronize("an upload");
      source.position(source.position() + count);
      at += (long) count * Integer.BYTES;
    }
  }

  /** Copies floats into device memory from its begin. */
  void upload(float[] values, DeviceMemory.Block target) {
    buffer.bytes().asFloatBuffer().put(values);
    buffer.copyTo(target, 0, (long) values.length * Float.BYTES, stream);
    stream.synchronize("an upload");
  }

  /** Copies floats from device memory, {@code offset} bytes in. */
  void download(DeviceMemory.Block source, long offset, float[] target, int at, int count) {
    for (int done = 0; done < count; ) {
      int now = Math.min(count - done, buffer.size() / Float.BYTES);
      buffer.copyFrom(
          source, offset + (long) done * Float.BYTES, (long) now * Float.BYTES, 0, stream);
      stream.synchronize("a download");
      buffer.bytes().asFloatBuffer().get(target, at + done, now);
      done += now;
    }
  }

  /** One 64-bit word of device memory. */
  long word(DeviceMemory.Block source, long offset, String what) {
    buffer.copyFrom(source, offset, Long.BYTES, 0, stream);
    stream.synchronize(what);
    return buffer.bytes().getLong(0);
  }

  /** A tensor as fp32, row-major. */
  float[] download(CudaTensor source) {
    int cols = Math.toIntExact(source.cols());
    int rows = Math.toIntExact(source.rows());
    int stride = Math.toIntExact(source.stride());
    float[] values = new float[Math.multiplyExact(rows, cols)];
    int step = Math.toIntExact(Math.max(1, buffer.size() / source.rowBytes()));
    for (int from = 0; from < rows; from += step) {
      int count = Math.min(step, rows - from);
      buffer.copyFrom(
          source.memory(),
          source.firstByte() + from * source.rowBytes(),
          count * source.rowBytes(),
          0,
          stream);
      stream.synchronize("a download");
      for (int r = 0; r < count; r++) {
        int at = (from + r) * cols;
        if (source.type() == ElementType.FP32) {
          FloatBuffer floats = buffer.bytes().asFloatBuffer();
          floats.get(r * stride, values, at, cols);
        } else {
          ShortBuffer shorts = buffer.bytes().asShortBuffer();
          for (int c = 0; c < cols; c++) {
            values[at + c] = HalfFloats.fromBf16(shorts.get(r * stride + c));
          }
        }
      }
    }
    return values;
  }

  @Override
  public void close() {
    buffer.close();
  }
}
