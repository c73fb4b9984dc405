package io.sparsefill.udf.model;

import io.sparsefill.kernels.HalfFloats;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;
import java.nio.channels.FileChannel;
import java.util.List;

/**
 * One tensor of a memory-mapped file. A buffer of the JDK ends at 2 GiB, so the data lies in
 * several windows; each window starts at a whole element because the first starts with the tensor.
 * Only absolute reads: safe for use by several threads.
 */
final class StoredTensor {
  /** Elements that are converted at once; 16 KiB of shorts stay in the first-level cache. */
  private static final int CHUNK = 8192;

  private final String name;
  private final StoredDtype dtype;
  private final List<Long> shape;
  private final long elements;
  private final int windowElements;
  private final ByteBuffer[] windows;

  private StoredTensor(
      String name, SafetensorsHeader.Entry entry, int windowElements, ByteBuffer[] windows) {
    this.name = name;
    this.dtype = entry.dtype();
    this.shape = entry.shape();
    this.elements = (entry.end() - entry.begin()) / dtype.bytes();
    this.windowElements = windowElements;
    this.windows = windows;
  }

  /**
   * Maps a tensor whose data starts at {@code dataStart + entry.begin()}, in windows of that many
   * bytes.
   */
  static StoredTensor map(
      FileChannel channel,
      long dataStart,
      String name,
      SafetensorsHeader.Entry entry,
      int windowBytes)
      throws IOException {
    long bytes = entry.end() - entry.begin();
    ByteBuffer[] windows = new ByteBuffer[(int) ((bytes + windowBytes - 1) / windowBytes)];
    for (int i = 0; i < windows.length; i++) {
      long from = (long) i * windowBytes;
      windows[i] =
          channel
              .map(
                  FileChannel.MapMode.READ_ONLY,
                  dataStart + entry.begin() + from,
                  Math.min(windowBytes, bytes - from))
              .order(ByteOrder.LITTLE_ENDIAN);
    }
    return new StoredTensor(name, entry, windowBytes / entry.dtype().bytes(), windows);
  }

  String name() {
    return name;
  }

  StoredDtype dtype() {
    return dtype;
  }

  List<Long> shape() {
    return shape;
  }

  long elements() {
    return elements;
  }

  /**
   * Reads elements {@code [from, from + count)} in row-major order as fp32; the caller has checked
   * the range.
   */
  void read(long from, int count, float[] target, int offset) {
    short[] scratch = dtype == StoredDtype.F32 ? null : new short[Math.min(CHUNK, count)];
    long at = from;
    int done = 0;
    while (done < count) {
      ByteBuffer window = windows[(int) (at / windowElements)];
      int index = (int) (at % windowElements);
      int n = Math.min(count - done, windowElements - index);
      if (scratch == null) {
        FloatBuffer floats = window.asFloatBuffer();
        floats.get(index, target, offset + done, n);
      } else {
        n = Math.min(n, scratch.length);
        ShortBuffer shorts = window.asShortBuffer();
        shorts.get(index, scratch, 0, n);
        if (dtype == StoredDtype.BF16) {
          widenBf16(scratch, n, target, offset + done);
        } else {
          widenFp16(scratch, n, target, offset + done);
        }
      }
      at += n;
      done += n;
    }
  }

  /**
   * Reads elements {@code [from, from + count)} in row-major order as little-endian bf16 from byte
   * {@code offset} of the target on; the caller has checked the range.
   */
  void readBf16(long from, int count, ByteBuffer target, int offset) {
    if (dtype != StoredDtype.BF16) {
      roundToBf16(from, count, target, offset);
      return;
    }
    // As they are stored: nothing but a copy of memory.
    long at = from;
    int done = 0;
    while (done < count) {
      int index = (int) (at % windowElements);
      int n = Math.min(count - done, windowElements - index);
      target.put(
          offset + done * Short.BYTES,
          windows[(int) (at / windowElements)],
          index * Short.BYTES,
          n * Short.BYTES);
      at += n;
      done += n;
    }
  }

  private void roundToBf16(long from, int count, ByteBuffer target, int offset) {
    ByteBuffer bytes = target.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    float[] values = new float[Math.min(CHUNK, count)];
    for (int done = 0; done < count; ) {
      int n = Math.min(values.length, count - done);
      read(from + done, n, values, 0);
      for (int i = 0; i < n; i++) {
        bytes.putShort(offset + (done + i) * Short.BYTES, HalfFloats.toBf16(values[i]));
      }
      done += n;
    }
  }

  /** The elements of an I32 tensor. */
  int[] ints() {
    int[] values = new int[Math.toIntExact(elements)];
    int at = 0;
    for (ByteBuffer window : windows) {
      int n = window.capacity() / Integer.BYTES;
      window.asIntBuffer().get(0, values, at, n);
      at += n;
    }
    return values;
  }

  private static void widenBf16(short[] from, int count, float[] target, int offset) {
    for (int i = 0; i < count; i++) {
      target[offset + i] = HalfFloats.fromBf16(from[i]);
    }
  }

  private static void widenFp16(short[] from, int count, float[] target, int offset) {
    for (int i = 0; i < count; i++) {
      target[offset + i] = HalfFloats.fromFp16(from[i]);
    }
  }
}
