package io.sparsefill.job.export;

import io.sparsefill.kernels.KvDtype;
import java.util.EnumSet;
import java.util.Set;

/** What other programs call the element types of keys and values. */
final class ElementTypes {
  private ElementTypes() {}

  /**
   * The types whose elements are numbers by themselves. Stored fp8 needs its scale of each token
   * and head, which none of the formats has a place for (engines with fp8 caches take one scale for
   * a layer).
   */
  static Set<KvDtype> unscaled() {
    return EnumSet.of(KvDtype.BF16, KvDtype.FP16, KvDtype.FP32);
  }

  /** The name in a safetensors header. */
  static String safetensors(KvDtype dtype) {
    return switch (dtype) {
      case BF16 -> "BF16";
      case FP16 -> "F16";
      case FP32 -> "F32";
      case FP8 -> throw scaled();
    };
  }

  /** PyTorch's name. */
  static String torch(KvDtype dtype) {
    return switch (dtype) {
      case BF16 -> "bfloat16";
      case FP16 -> "float16";
      case FP32 -> "float32";
      case FP8 -> throw scaled();
    };
  }

  /** For places that a run of fp8 never comes to, as {@link Export} refuses it. */
  static IllegalArgumentException scaled() {
    return new IllegalArgumentException("fp8 elements are codes that need their scales");
  }
}
