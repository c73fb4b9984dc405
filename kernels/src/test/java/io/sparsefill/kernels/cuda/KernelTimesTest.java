package io.sparsefill.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.ArrayMatrix;
import io.sparsefill.kernels.Tensor;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What benchmarks ask the CUDA backend: kernel times, versions, memory in use. */
class KernelTimesTest {
  @BeforeAll
  static void needsDevice() {
    CudaUnderTest.assumeDevice();
  }

  @Test
  void kernelsAreTimedOnlyWhileAsked() {
    try (CudaBackend backend = CudaBackend.withOwnProducts(1);
        Tensor x = backend.upload(ArrayMatrix.random(4096, 1024, 1, new Random(1)), "x");
        Tensor w = backend.upload(ArrayMatrix.of(1, 1024, 1), "w");
        Tensor y = backend.allocate(4096, 1024, "y");
        Tensor z = backend.allocate(4096, 512, "z")) {
      long start = System.nanoTime();
      Map<String, Double> millis =
          backend.kernelMillis(
              () -> {
                backend.rmsNorm(x, w, 1e-5f, y);
                backend.rmsNorm(y, w, 1e-5f, y);
                backend.siluMul(y, z);
              });
      double elapsed = (System.nanoTime() - start) / 1e6;
      assertThat(millis).hasSize(2);
      assertThat(millis.values()).allMatch(time -> time > 0);
      assertThat(millis.values().stream().mapToDouble(time -> time).sum()).isLessThan(elapsed);
      backend.siluMul(y, z);
      assertThat(backend.kernelMillis(() -> {})).isEmpty();
    }
  }

  @Test
  void versionsAndMemoryAreTold() {
    try (CudaBackend backend = CudaBackend.withOwnProducts(1)) {
      assertThat(backend.versions()).containsKeys("driver", "JCuda", "products");
      assertThat(backend.versions().get("JCuda")).matches("\\d+\\.\\d+.*");
      long before = CudaBackend.usedBytes();
      try (Tensor large = backend.allocate(1 << 14, 1 << 14, "a large tensor")) {
        assertThat(CudaBackend.usedBytes()).isGreaterThan(before);
        assertThat(large.rows()).isEqualTo(1 << 14);
      }
    }
  }
}
