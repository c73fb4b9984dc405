package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.GoldenAttentionContract;
import org.junit.jupiter.api.BeforeAll;

/** MInference's golden vectors on a GPU. */
class CudaGoldenAttentionTest extends GoldenAttentionContract {
  @BeforeAll
  static void needsDevice() {
    CudaUnderTest.assumeDevice();
  }

  @Override
  protected BackendUnderTest open() {
    return new CudaUnderTest();
  }
}
