package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.OperatorContract;
import org.junit.jupiter.api.BeforeAll;

/** The contract of operators on a GPU. */
class CudaOperatorsTest extends OperatorContract {
  @BeforeAll
  static void needsDevice() {
    CudaUnderTest.assumeDevice();
  }

  @Override
  protected BackendUnderTest open() {
    return new CudaUnderTest();
  }
}
