package io.sparsefill.job.export;

import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.KvDtype;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Numbers in little-endian bytes. */
final class Elements {
  private Elements() {}

  /** All elements. */
  static float[] all(byte[] bytes, KvDtype dtype) {
    float[] elements = new float[bytes.length / dtype.bytes()];
    for (int i = 0; i < elements.length; i++) {
      elements[i] = at(bytes, i, dtype);
    }
    return elements;
  }

  /** The i-th element. */
  static float at(byte[] bytes, long i, KvDtype dtype) {
    ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    int offset = Math.toIntExact(i * dtype.bytes());
    return switch (dtype) {
      case BF16 -> HalfFloats.fromBf16(buffer.getShort(offset));
      case FP16 -> HalfFloats.fromFp16(buffer.getShort(offset));
      case FP32 -> buffer.getFloat(offset);
      case FP8 -> throw ElementTypes.scaled();
    };
  }
}
