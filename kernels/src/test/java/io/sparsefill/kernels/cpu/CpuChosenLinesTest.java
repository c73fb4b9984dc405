package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.ChosenLinesContract;

/** The contract of lines that are chosen in other ways, on the CPU backend. */
class CpuChosenLinesTest extends ChosenLinesContract {
  @Override
  protected BackendUnderTest open() {
    return new CpuUnderTest(2);
  }
}
