package io.sparsefill.udf;

import io.sparsefill.kernels.E4m3;
import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.KvDtype;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * The numbers that stored bytes mean. Those of bf16, fp16 and fp32 are exact; those of fp8 are the
 * product of code and scale, rounded once to fp32.
 */
public final class KvNumbers {
  private static final VarHandle SHORTS =
      MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle FLOATS =
      MethodHandles.byteArrayViewVarHandle(float[].class, ByteOrder.LITTLE_ENDIAN);

  private final KvDtype dtype;
  private final byte[] bytes;
  private final byte[] scales;
  private final int headDim;

  private KvNumbers(KvDtype dtype, byte[] bytes, byte[] scales, int headDim) {
    this.dtype = dtype;
    this.bytes = bytes;
    this.scales = scales;
    this.headDim = headDim;
  }

  /** The keys of a block. */
  public static KvNumbers keys(KvBlock block) {
    return of(block.dtype(), block.key(), block.keyScale());
  }

  /** The values of a block. */
  public static KvNumbers values(KvBlock block) {
    return of(block.dtype(), block.value(), block.valueScale());
  }

  /**
   * Numbers of a type.
   *
   * @param bytes little-endian elements, a whole number of heads
   * @param scales little-endian fp32, one for each head; null of a type that has none
   * @throws IllegalArgumentException if there are scales where there must be none, or the other way
   *     round, or they do not divide the elements
   */
  public static KvNumbers of(KvDtype dtype, byte[] bytes, byte[] scales) {
    int heads = scales == null ? 0 : scales.length / Float.BYTES;
    int elements = bytes.length / dtype.bytes();
    boolean fit = dtype.scaled() ? heads > 0 && elements % heads == 0 : scales == null;
    if (!fit && !(elements == 0 && heads == 0)) {
      throw new IllegalArgumentException(
          "Cannot read %,d elements of %s with %,d scales"
              .formatted(elements, dtype.label(), heads));
    }
    return new KvNumbers(dtype, bytes, scales, heads == 0 ? 1 : elements / heads);
  }

  /** How many there are. */
  public int count() {
    return bytes.length / dtype.bytes();
  }

  /** Number {@code index}, in the order of the bytes. */
  public float at(int index) {
    return switch (dtype) {
      case BF16 -> HalfFloats.fromBf16((short) SHORTS.get(bytes, 2 * index));
      case FP16 -> HalfFloats.fromFp16((short) SHORTS.get(bytes, 2 * index));
      case FP32 -> (float) FLOATS.get(bytes, 4 * index);
      case FP8 -> E4m3.toFloat(bytes[index]) * (float) FLOATS.get(scales, 4 * (index / headDim));
    };
  }
}
