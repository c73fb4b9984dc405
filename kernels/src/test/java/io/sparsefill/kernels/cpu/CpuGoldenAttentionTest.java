package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.GoldenAttentionContract;

/** MInference's golden vectors on the CPU backend. */
class CpuGoldenAttentionTest extends GoldenAttentionContract {
  @Override
  protected BackendUnderTest open() {
    return new CpuUnderTest(2);
  }
}
