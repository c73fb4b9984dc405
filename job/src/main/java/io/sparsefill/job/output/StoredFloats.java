package io.sparsefill.job.output;

import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.KvDtype;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** Exact values of stored keys and values: each of the dtypes' numbers is a float. */
final class StoredFloats {
  private static final VarHandle SHORTS =
      MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle FLOATS =
      MethodHandles.byteArrayViewVarHandle(float[].class, ByteOrder.LITTLE_ENDIAN);

  private StoredFloats() {}

  /** Element {@code index} of little-endian bytes. */
  static float at(KvDtype dtype, byte[] bytes, int index) {
    return switch (dtype) {
      case BF16 -> HalfFloats.fromBf16((short) SHORTS.get(bytes, 2 * index));
      case FP16 -> HalfFloats.fromFp16((short) SHORTS.get(bytes, 2 * index));
      case FP32 -> (float) FLOATS.get(bytes, 4 * index);
    };
  }
}
