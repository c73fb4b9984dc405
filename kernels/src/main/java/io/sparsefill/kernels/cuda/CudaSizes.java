package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.DeviceSizes;
import io.sparsefill.kernels.HeadPattern;
import java.util.List;

/** Tensors of bf16 and fp32 whose rows begin at 16-byte boundaries. */
final class CudaSizes implements DeviceSizes {
  /** Full matrix products, small beside a long document. */
  private static final int CHUNK_TOKENS = 8192;

  /** About a thousand rows of a large vocabulary: enough for full matrix products. */
  private static final long LOGITS_BYTES = 256L << 20;

  @Override
  public int chunkTokens() {
    return CHUNK_TOKENS;
  }

  @Override
  public long logitsBytes() {
    return LOGITS_BYTES;
  }

  @Override
  public long tensorBytes(long rows, long cols) {
    return DeviceMemory.blockBytes(ElementType.BF16.bytes(rows, cols));
  }

  @Override
  public long floatBytes(long rows, long cols) {
    return DeviceMemory.blockBytes(ElementType.FP32.bytes(rows, cols));
  }

  @Override
  public long indexBytes(
      List<HeadPattern> patterns, AttentionShape shape, boolean dispatch, int firstTile) {
    return new IndexPlan(
            patterns, shape, dispatch, firstTile, IndexPlan.LIST_BYTES, IndexPlan.Kernels.shipped())
        .layout()
        .bytes();
  }
}
