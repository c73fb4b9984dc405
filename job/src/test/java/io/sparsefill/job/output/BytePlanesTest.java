package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** Oracle: each byte's place by the definition, for sizes around those of the fast loop. */
class BytePlanesTest {
  @Test
  void lowerBytesComeFirstAndJoiningUndoesIt() {
    Random random = new Random(3);
    for (int count : new int[] {0, 1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 1000}) {
      byte[] numbers = new byte[2 * count];
      random.nextBytes(numbers);
      byte[] planes = BytePlanes.split(numbers);
      assertThat(planes).hasSize(2 * count);
      for (int i = 0; i < count; i++) {
        assertThat(planes[i]).as("%d of %d", i, count).isEqualTo(numbers[2 * i]);
        assertThat(planes[count + i]).as("%d of %d", i, count).isEqualTo(numbers[2 * i + 1]);
      }
      assertThat(BytePlanes.join(planes)).as("%d", count).isEqualTo(numbers);
    }
  }

  @Test
  void halfANumberIsRefused() {
    assertThatThrownBy(() -> BytePlanes.split(new byte[3]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("3 bytes");
    assertThatThrownBy(() -> BytePlanes.join(new byte[7]))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
