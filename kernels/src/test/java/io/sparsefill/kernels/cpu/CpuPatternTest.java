package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.PatternContract;
import org.junit.jupiter.api.Nested;

/** The contract of patterns on the CPU backend. */
class CpuPatternTest {
  @Nested
  class OneThread extends PatternContract {
    @Override
    protected BackendUnderTest open() {
      return new CpuUnderTest(1);
    }
  }

  @Nested
  class TwoThreads extends PatternContract {
    @Override
    protected BackendUnderTest open() {
      return new CpuUnderTest(2);
    }
  }
}
