package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.HalfFloats;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.ShortBuffer;

/**
 * Copies between host arrays and device memory in the order of the operators' stream. Uploads are
 * copied to page-locked memory and return without waiting for the device; downloads wait. Used by
 * one thread at a time.
 */
final class Transfers implements AutoCloseable {
  private static final int UPLOAD_SLOTS = 8;
  private static final int UPLOAD_BYTES = 1 << 20;
  private static final int DOWNLOAD_BYTES = 16 << 20;

  private final CudaStream stream;
  private final PinnedRing uploads = new PinnedRing(UPLOAD_SLOTS, UPLOAD_BYTES);
  private final PinnedBuffer buffer = new PinnedBuffer(DOWNLOAD_BYTES);

  Transfers(CudaStream stream) {
    this.stream = stream;
  }

  /**
   * Enqueues a copy of ints into device memory, {@code offset} bytes in. The array may change as
   * soon as this returns.
   */
  void upload(IntBuffer values, DeviceMemory.Block target, long offset) {
    IntBuffer source = values.duplicate();
    long at = offset;
    while (source.hasRemaining()) {
      int count = Math.min(source.remaining(), uploads.slotBytes() / Integer.BYTES);
      PinnedRing.Slot slot = uploads.take();
      slot.bytes().asIntBuffer().put(source.slice(source.position(), count));
      slot.send(target, at, (long) count * Integer.BYTES, stream);
      source.position(source.position() + count);
      at += (long) count * Integer.BYTES;
    }
  }

  /** Enqueues a copy of floats into device memory from its begin. */
  void upload(float[] values, DeviceMemory.Block target) {
    int step = uploads.slotBytes() / Float.BYTES;
    for (int from = 0; from < values.length; from += step) {
      int count = Math.min(step, values.length - from);
      PinnedRing.Slot slot = uploads.take();
      slot.bytes().asFloatBuffer().put(values, from, count);
      slot.send(target, (long) from * Float.BYTES, (long) count * Float.BYTES, stream);
    }
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

  /** Ints of device memory, {@code offset} bytes in; waits for what was enqueued before. */
  int[] ints(DeviceMemory.Block source, long offset, int count, String what) {
    int[] values = new int[count];
    for (int done = 0; done < count; ) {
      int now = Math.min(count - done, buffer.size() / Integer.BYTES);
      buffer.copyFrom(
          source, offset + (long) done * Integer.BYTES, (long) now * Integer.BYTES, 0, stream);
      stream.synchronize(what);
      buffer.bytes().asIntBuffer().get(values, done, now);
      done += now;
    }
    return values;
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
    uploads.close();
    buffer.close();
  }
}
