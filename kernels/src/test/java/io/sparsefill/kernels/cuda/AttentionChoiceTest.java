package io.sparsefill.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which attention kernels run where, by the Javadoc of {@link AttentionChoice}. */
class AttentionChoiceTest {
  private final String before = System.getProperty(AttentionChoice.PROPERTY);

  @AfterEach
  void restoreTheProperty() {
    if (before == null) {
      System.clearProperty(AttentionChoice.PROPERTY);
    } else {
      System.setProperty(AttentionChoice.PROPERTY, before);
    }
  }

  @ParameterizedTest
  @CsvSource({"auto, AUTO", "sm_80, SM_80", "sm_90a, SM_90A"})
  void thePropertyChooses(String value, AttentionChoice choice) {
    System.setProperty(AttentionChoice.PROPERTY, value);
    assertThat(AttentionChoice.ofProperty()).isEqualTo(choice);
  }

  @Test
  void autoIsTheDefault() {
    System.clearProperty(AttentionChoice.PROPERTY);
    assertThat(AttentionChoice.ofProperty()).isEqualTo(AttentionChoice.AUTO);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "AUTO", "sm_90"})
  void otherValuesAreRefused(String value) {
    System.setProperty(AttentionChoice.PROPERTY, value);
    assertThatThrownBy(AttentionChoice::ofProperty)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "Cannot choose the attention kernels: sparsefill.attention is '%s'; set it to auto, sm_80, sm_90a",
            value);
  }

  @ParameterizedTest
  @CsvSource({
    "AUTO, 90, 128, attention_sm90",
    "AUTO, 90, 80, attention",
    "AUTO, 80, 128, attention",
    "AUTO, 100, 128, attention",
    "SM_80, 90, 128, attention",
    "SM_90A, 90, 64, attention_sm90"
  })
  void deviceAndHeadDimensionDecide(
      AttentionChoice choice, int capability, int headDim, String file) {
    assertThat(choice.file(capability, headDim)).isEqualTo(file);
  }

  @ParameterizedTest
  @CsvSource({"80, 128, 8.0", "100, 128, 10.0", "90, 80, 9.0"})
  void whatIsDemandedButDoesNotRunFails(int capability, int headDim, String spelled) {
    assertThatThrownBy(() -> AttentionChoice.SM_90A.file(capability, headDim))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith(
            "Cannot run the attention kernels of sm_90a for head_dim " + headDim)
        .hasMessageContaining("on compute capability " + spelled)
        .hasMessageEndingWith("set sparsefill.attention to auto or sm_80");
  }

  @Test
  void everyHeadDimensionOfHopperHasItsKernel() {
    PtxFile file = PtxFile.read("attention_sm90");
    for (int headDim : AttentionChoice.SM_90A_HEAD_DIMS) {
      assertThat(file.table("attention_d" + headDim + "_launch")).hasSize(4);
    }
    assertThat(CudaAttention.HEAD_DIMS).containsAll(AttentionChoice.SM_90A_HEAD_DIMS);
  }
}
