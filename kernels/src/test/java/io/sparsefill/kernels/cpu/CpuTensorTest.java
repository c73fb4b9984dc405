package io.sparsefill.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

/** Memory outside the heap: where rows lie, and what is refused. */
class CpuTensorTest {
  @Test
  void rowsBehindTwoGibibytesAreAddressedRight() {
    // 2.2 GiB of address space; malloc maps it when it is touched, so only the ends cost memory.
    long rows = 2_306_867L;
    int cols = 256;
    try (CpuTensor tensor = CpuTensor.allocate(rows, cols, "a large test")) {
      assertThat(rows * cols * Float.BYTES).isGreaterThan(Integer.MAX_VALUE);
      tensor.buffer(0, 1).put(0, 1f).put(cols - 1, 2f);
      tensor.buffer(rows - 2, 2).put(0, 3f).put(2 * cols - 1, 4f);

      assertThat(tensor.buffer(0, 1).get(cols - 1)).isEqualTo(2f);
      assertThat(tensor.buffer(0, 1).get(0)).isEqualTo(1f);
      assertThat(tensor.buffer(rows - 1, 1).get(cols - 1)).isEqualTo(4f);
      CpuTensor last = tensor.rows(rows - 2, 2);
      assertThat(last.buffer(0, 2).get(0)).isEqualTo(3f);
      assertThat(last.rows(1, 1).buffer(0, 1).get(cols - 1)).isEqualTo(4f);
      // The address that OpenBLAS gets.
      assertThat(last.pointer(1).get(cols - 1)).isEqualTo(4f);
      assertThat(tensor.pointer(rows - 2).get(0)).isEqualTo(3f);
    }
  }

  @Test
  void buffersEndWithTheirRows() {
    try (CpuTensor tensor = CpuTensor.allocate(5, 3, "a test")) {
      assertThat(tensor.buffer(1, 2).capacity()).isEqualTo(6);
      long[][] outside = {{-1, 1}, {0, 6}, {5, 1}, {4, 2}};
      for (long[] range : outside) {
        assertThatThrownBy(() -> tensor.buffer(range[0], (int) range[1]))
            .as("rows %d + %d", range[0], range[1])
            .isInstanceOf(IndexOutOfBoundsException.class)
            .hasMessageContaining("5 rows");
      }
      assertThatThrownBy(() -> tensor.rows(1, 2).buffer(1, 2))
          .isInstanceOf(IndexOutOfBoundsException.class)
          .hasMessageContaining("2 rows");
      assertThatThrownBy(() -> tensor.pointer(6)).isInstanceOf(IndexOutOfBoundsException.class);
      assertThatThrownBy(() -> tensor.pointer(-1)).isInstanceOf(IndexOutOfBoundsException.class);
    }
  }

  @Test
  void oneBufferHoldsAtMostTwoGibibytes() {
    try (CpuTensor tensor = CpuTensor.allocate(1 << 20, 1024, "a large test")) {
      assertThatThrownBy(() -> tensor.buffer(0, 1 << 20))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("1048576 rows of 1024 columns");
    }
  }

  @Test
  void aClosedTensorAndItsViewsAreRefused() {
    CpuTensor tensor = CpuTensor.allocate(4, 4, "a test");
    CpuTensor view = tensor.rows(1, 2);
    CpuTensor viewOfView = view.rows(0, 1);
    view.close();
    assertThat(tensor.buffer(0, 4).capacity()).as("closing a view closes nothing").isEqualTo(16);
    tensor.close();
    tensor.close();
    for (CpuTensor closed : new CpuTensor[] {tensor, view, viewOfView}) {
      assertThatThrownBy(() -> closed.buffer(0, 1))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("closed");
      assertThatThrownBy(() -> closed.pointer(0)).isInstanceOf(IllegalStateException.class);
    }
  }

  @Test
  void sizesThatDoNotFitIntoTheAddressSpaceAreRefused() {
    assertThatThrownBy(() -> CpuTensor.allocate(Long.MAX_VALUE / 2, 8, "a test"))
        .isInstanceOf(ArithmeticException.class);
    // 2^62 bytes: no system maps that much.
    assertThatThrownBy(() -> CpuTensor.allocate(1L << 30, 1L << 30, "hidden states"))
        .isInstanceOf(OutOfMemoryError.class)
        .hasMessageContaining("hidden states")
        .hasMessageContaining("--weights stream");
  }
}
