package io.sparsefill.job.export;

import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.KvDtype;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Element types of llama.cpp's caches that need no blocks of scales, with ggml's numbers. */
enum GgmlType {
  F32(0, KvDtype.FP32),
  F16(1, KvDtype.FP16),
  BF16(30, KvDtype.BF16);

  private final int number;
  private final KvDtype dtype;

  GgmlType(int number, KvDtype dtype) {
    this.number = number;
    this.dtype = dtype;
  }

  /** Its number in ggml. */
  int number() {
    return number;
  }

  /** Bytes of an element. */
  int bytes() {
    return dtype.bytes();
  }

  /**
   * Little-endian elements in this type, rounded to nearest even; the array itself when it has it.
   *
   * @throws ArithmeticException if a finite element would become infinite
   */
  byte[] convert(byte[] elements, KvDtype from) {
    if (from == dtype) {
      return elements;
    }
    ByteBuffer in = ByteBuffer.wrap(elements).order(ByteOrder.LITTLE_ENDIAN);
    int count = elements.length / from.bytes();
    ByteBuffer out = ByteBuffer.allocate(count * bytes()).order(ByteOrder.LITTLE_ENDIAN);
    while (in.hasRemaining()) {
      float value =
          switch (from) {
            case BF16 -> HalfFloats.fromBf16(in.getShort());
            case FP16 -> HalfFloats.fromFp16(in.getShort());
            case FP32 -> in.getFloat();
            case FP8 -> throw ElementTypes.scaled();
          };
      switch (this) {
        case F32 -> out.putFloat(value);
        case BF16 -> out.putShort(HalfFloats.toBf16(value));
        case F16 -> {
          if (HalfFloats.overflowsFp16(value)) {
            throw new ArithmeticException(value + " is beyond fp16's 65504");
          }
          out.putShort(HalfFloats.toFp16(value));
        }
      }
    }
    return out.array();
  }
}
