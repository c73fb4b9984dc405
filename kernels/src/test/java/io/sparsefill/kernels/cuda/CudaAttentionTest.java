package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.AttentionContract;
import io.sparsefill.kernels.BackendUnderTest;
import org.junit.jupiter.api.BeforeAll;

/** The attention contract on a GPU. */
class CudaAttentionTest extends AttentionContract {
  @BeforeAll
  static void needsDevice() {
    CudaUnderTest.assumeDevice();
  }

  @Override
  protected BackendUnderTest open() {
    return new CudaUnderTest();
  }
}
