package io.sparsefill.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which library multiplies matrices, by the table in {@link GemmChoice}'s Javadoc. */
class GemmChoiceTest {
  private final String before = System.getProperty(GemmChoice.PROPERTY);
  private final CudaGemm own = new NamedGemm();

  @AfterEach
  void restoreTheProperty() {
    if (before == null) {
      System.clearProperty(GemmChoice.PROPERTY);
    } else {
      System.setProperty(GemmChoice.PROPERTY, before);
    }
  }

  @ParameterizedTest
  @CsvSource({"auto, AUTO", "cublas, CUBLAS", "own, OWN"})
  void thePropertyChooses(String value, GemmChoice choice) {
    System.setProperty(GemmChoice.PROPERTY, value);
    assertThat(GemmChoice.ofProperty()).isEqualTo(choice);
  }

  @Test
  void autoIsTheDefault() {
    System.clearProperty(GemmChoice.PROPERTY);
    assertThat(GemmChoice.ofProperty()).isEqualTo(GemmChoice.AUTO);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "CUBLAS", "openblas"})
  void otherValuesAreRefused(String value) {
    System.setProperty(GemmChoice.PROPERTY, value);
    assertThatThrownBy(GemmChoice::ofProperty)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "Cannot choose who multiplies matrices: sparsefill.gemm is '%s'; set it to auto, cublas or own",
            value);
  }

  @Test
  void ownNeverLoadsCublas() {
    assertThat(GemmChoice.OWN.open(() -> own)).isSameAs(own);
  }

  @Test
  void withoutTheLibraryAutoTakesTheOwnKernelAndCublasFails() {
    assumeTrue(CublasGemm.unavailable().isPresent(), "cuBLAS loads on this host");
    assertThat(CublasGemm.unavailable().get()).contains("cublas").doesNotContain("\n");
    assertThat(GemmChoice.AUTO.open(() -> own)).isSameAs(own);
    assertThatThrownBy(() -> GemmChoice.CUBLAS.open(() -> own))
        .isInstanceOf(CudaFailure.class)
        .hasMessageStartingWith("Cannot load cuBLAS: ")
        .hasMessageContaining(CublasGemm.unavailable().get())
        .hasMessageEndingWith("or set sparsefill.gemm=own");
  }

  /** Stands for the own kernel, which needs a device. */
  private static final class NamedGemm implements CudaGemm {
    @Override
    public void product(
        CudaStream stream,
        CudaTensor a,
        CudaTensor w,
        CudaTensor bias,
        CudaTensor out,
        boolean accumulate) {
      throw new UnsupportedOperationException("no product is asked for");
    }

    @Override
    public String name() {
      return "own kernel";
    }

    @Override
    public boolean addsBias() {
      return true;
    }

    @Override
    public void close() {}
  }
}
