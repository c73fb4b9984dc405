package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.AttentionContract;
import io.sparsefill.kernels.BackendUnderTest;
import org.junit.jupiter.api.Nested;

/** The attention contract on the CPU backend. */
class CpuAttentionTest {
  @Nested
  class OneThread extends AttentionContract {
    @Override
    protected BackendUnderTest open() {
      return new CpuUnderTest(1);
    }
  }

  @Nested
  class TwoThreads extends AttentionContract {
    @Override
    protected BackendUnderTest open() {
      return new CpuUnderTest(2);
    }
  }
}
