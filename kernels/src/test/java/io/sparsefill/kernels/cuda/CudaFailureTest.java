package io.sparsefill.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which failures cost the context. Oracle: the comments of CUresult in cuda.h. */
class CudaFailureTest {
  @ParameterizedTest
  @ValueSource(ints = {214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721})
  void theProcessMustEndAfter(int code) {
    assertThat(new CudaFailure("Cannot launch", code).isSticky()).isTrue();
  }

  /** Invalid value, out of memory, no device, not found, invalid handle, out of resources. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 100, 500, 400, 701})
  void theProcessGoesOnAfter(int code) {
    assertThat(new CudaFailure("Cannot allocate", code).isSticky()).isFalse();
  }

  @Test
  void whatNoCallReturnedIsNotSticky() {
    assertThat(new CudaFailure("Cannot open a device").isSticky()).isFalse();
    assertThat(new CudaFailure("Cannot close", new IllegalStateException()).isSticky()).isFalse();
  }
}
