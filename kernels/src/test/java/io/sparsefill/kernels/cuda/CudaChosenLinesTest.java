package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.ChosenLinesContract;
import org.junit.jupiter.api.BeforeAll;

/** The contract of lines that are chosen in other ways, on a GPU. */
class CudaChosenLinesTest extends ChosenLinesContract {
  @BeforeAll
  static void needsDevice() {
    CudaUnderTest.assumeDevice();
  }

  @Override
  protected BackendUnderTest open() {
    return new CudaUnderTest();
  }
}
