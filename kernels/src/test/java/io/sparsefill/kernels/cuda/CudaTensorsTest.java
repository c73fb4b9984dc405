package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.TensorContract;
import org.junit.jupiter.api.BeforeAll;

/** The contract of tensors on a GPU. */
class CudaTensorsTest extends TensorContract {
  @BeforeAll
  static void needsDevice() {
    CudaUnderTest.assumeDevice();
  }

  @Override
  protected BackendUnderTest open() {
    return new CudaUnderTest();
  }
}
