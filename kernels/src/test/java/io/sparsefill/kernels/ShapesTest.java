package io.sparsefill.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

/** What the records of sizes accept and derive. */
class ShapesTest {
  @Test
  void everyHeadReadsTheKeysOfItsGroup() {
    assertThat(new AttentionShape(10, 28, 4, 128, 1, 0).group()).isEqualTo(7);
  }

  @Test
  void aWindowOfWSeesWKeysAtMost() {
    AttentionShape shape = new AttentionShape(100, 1, 1, 8, 1, 48);
    for (int q = 0; q < 100; q++) {
      assertThat(q - shape.firstKey(q) + 1).isEqualTo(Math.min(48, q + 1));
    }
    assertThat(new AttentionShape(100, 1, 1, 8, 1, 0).firstKey(99)).isZero();
  }

  @Test
  void sizesThatMakeNoAttentionAreRefused() {
    int[][] bad = {
      {0, 1, 1, 1, 0}, {1, 0, 1, 1, 0}, {1, 3, 2, 1, 0}, {1, 1, 1, 0, 0}, {1, 1, 1, 1, -1}
    };
    for (int[] s : bad) {
      assertThatThrownBy(() -> new AttentionShape(s[0], s[1], s[2], s[3], 1, s[4]))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("H a multiple of G");
    }
  }

  @Test
  void ropeMustFitIntoTheHead() {
    assertThat(new RopeTable(8, true, new double[4], 1).headDim()).isEqualTo(8);
    assertThatThrownBy(() -> new RopeTable(8, true, new double[5], 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("RoPE rotates 10 dimensions, but a head has only 8");
  }

  @Test
  void kvTypesAreFoundByTheirLabels() {
    for (KvDtype dtype : KvDtype.values()) {
      assertThat(KvDtype.of(dtype.label())).isEqualTo(dtype);
    }
    assertThat(KvDtype.of("bf16").bytes()).isEqualTo(2);
    assertThatThrownBy(() -> KvDtype.of("BF16"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("'BF16'")
        .hasMessageContaining("bf16, fp16");
  }
}
