package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.IndexReadingContract;
import org.junit.jupiter.api.BeforeAll;

/** What an index says about each head, on a GPU. */
class CudaIndexReadingTest extends IndexReadingContract {
  @BeforeAll
  static void needsDevice() {
    CudaUnderTest.assumeDevice();
  }

  @Override
  protected BackendUnderTest open() {
    return new CudaUnderTest();
  }
}
