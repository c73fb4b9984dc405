package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.OperatorContract;
import io.sparsefill.kernels.TensorContract;
import org.junit.jupiter.api.Nested;

/** The contracts of operators and tensors on the CPU backend. */
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

  @Nested
  class Tensors extends TensorContract {
    @Override
    protected BackendUnderTest open() {
      return new CpuUnderTest(2);
    }
  }
}
