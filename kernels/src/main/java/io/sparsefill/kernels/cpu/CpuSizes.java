package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.DeviceSizes;
import io.sparsefill.kernels.HeadPattern;
import java.util.List;

/** Tensors of fp32 without gaps; packed keys and the lists of an index are Java arrays. */
record CpuSizes(int chunkTokens) implements DeviceSizes {
  @Override
  public long logitsBytes() {
    return 32 << 20;
  }

  @Override
  public long tensorBytes(long rows, long cols) {
    return Math.multiplyExact(Math.multiplyExact(rows, cols), (long) Float.BYTES);
  }

  @Override
  public long floatBytes(long rows, long cols) {
    return tensorBytes(rows, cols);
  }

  @Override
  public long indexBytes(
      List<HeadPattern> patterns, AttentionShape shape, boolean dispatch, int firstTile) {
    return 0;
  }
}
