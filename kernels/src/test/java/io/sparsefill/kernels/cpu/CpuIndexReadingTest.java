package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.IndexReadingContract;

/** What an index says about each head, on the CPU. */
class CpuIndexReadingTest extends IndexReadingContract {
  @Override
  protected BackendUnderTest open() {
    return new CpuUnderTest(2);
  }
}
