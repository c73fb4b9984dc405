package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.OperatorContract;
import org.junit.jupiter.api.Nested;

/** The operator contract on the CPU backend. */
class CpuOperatorsTest {
  @Nested
  class OneThread extends OperatorContract {
    @Override
    protected BackendUnderTest open() {
      return new CpuUnderTest(1);
    }
  }

  @Nested
  class TwoThreads extends OperatorContract {
    @Override
    protected BackendUnderTest open() {
      return new CpuUnderTest(2);
    }
  }
}
