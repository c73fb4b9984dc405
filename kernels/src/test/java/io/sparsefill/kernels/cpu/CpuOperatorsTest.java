package io.sparsefill.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.ArrayMatrix;
import io.sparsefill.kernels.BackendUnderTest;
import io.sparsefill.kernels.Fp8Contract;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.OperatorContract;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.TensorContract;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

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

  @Nested
  class Fp8 extends Fp8Contract {
    @Override
    protected BackendUnderTest open() {
      return new CpuUnderTest(2);
    }
  }

  @Test
  void packRoundsToNearestEven() {
    // Oracle: the elements written out by hand, 0x1.01p0 being half way between two bf16 numbers.
    ArrayMatrix values = new ArrayMatrix(2, new float[] {0x1.01p0f, 65504f});
    try (CpuBackend backend = new CpuBackend(1);
        Tensor tensor = backend.upload(values, "a test")) {
      assertThat(TensorContract.pack(backend, tensor, KvDtype.BF16))
          .isEqualTo(new byte[] {(byte) 0x80, 0x3f, (byte) 0x80, 0x47});
      assertThat(TensorContract.pack(backend, tensor, KvDtype.FP16))
          .isEqualTo(new byte[] {0x04, 0x3c, (byte) 0xff, 0x7b});
      assertThat(TensorContract.pack(backend, tensor, KvDtype.FP32))
          .isEqualTo(new byte[] {0, (byte) 0x80, (byte) 0x80, 0x3f, 0, (byte) 0xe0, 0x7f, 0x47});
    }
  }
}
