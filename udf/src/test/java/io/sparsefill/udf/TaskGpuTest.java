package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Oracle: CUDA's rules for CUDA_VISIBLE_DEVICES, in the programming guide. */
class TaskGpuTest {
  @ParameterizedTest
  @CsvSource({
    "0,, 4, 0",
    "3,, 4, 3",
    "3,, 1, 0", // a container shows one GPU of the host
    "GPU-8932f937-d72c,, 1, 0",
    "2, '2,3', 2, 0",
    "3, '2, 3', 2, 1",
    "GPU-8932f937-d72c, 'GPU-1111,GPU-8932', 2, 1",
    "GPU-8932f937-d72c, 'GPU-1111,GPU-8932f937-d72c', 2, 1",
    "7, 7, 1, 0",
    "1, '', 2, 1",
  })
  void addressesAreCountedAsCudaDoes(String address, String visible, int devices, int ordinal) {
    assertThat(TaskGpu.ordinal(address, visible, devices)).isEqualTo(ordinal);
  }

  /** Index 0 of what is visible, or the host's GPU 0, which is not? CUDA stops at a wrong entry. */
  @ParameterizedTest
  @CsvSource({"0, '2,3', 2", "4,, 4", "GPU-1234,, 2", "5, '2,3,9,5', 2", "MIG-1/2/0,, 2"})
  void anAddressThatNamesNoneIsRefused(String address, String visible, int devices) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> TaskGpu.ordinal(address, visible, devices))
        .withMessageContaining("\"" + address + "\"")
        .withMessageContaining("sees " + devices)
        .withMessageContaining(visible == null ? "not set" : "\"" + visible + "\"")
        .withMessageContaining("discovery script");
  }
}
