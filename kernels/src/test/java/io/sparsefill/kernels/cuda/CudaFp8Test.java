package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.Fp8Contract;
import org.junit.jupiter.api.BeforeAll;

/** The contract of fp8 on a GPU. */
class CudaFp8Test extends Fp8Contract {
  @BeforeAll
  static void needsDevice() {
    CudaUnderTest.assumeDevice();
  }

  @Override
  protected BackendUnderTest open() {
    return new CudaUnderTest();
  }
}
