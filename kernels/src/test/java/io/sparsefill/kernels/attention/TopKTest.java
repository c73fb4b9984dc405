package io.sparsefill.kernels.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The selection against sorting all indices by (score, index). */
class TopKTest {
  private static int[] bySorting(float[] scores, int k) {
    // Float.compare takes -0 for less than 0; as scores they are equal.
    Comparator<Integer> order =
        Comparator.<Integer>comparingDouble(i -> scores[i] == 0 ? 0.0 : scores[i])
            .thenComparing(Comparator.naturalOrder());
    return IntStream.range(0, scores.length)
        .boxed()
        .sorted(order.reversed())
        .limit(k)
        .mapToInt(Integer::intValue)
        .sorted()
        .toArray();
  }

  private static void assertSame(float[] scores) {
    int n = scores.length;
    for (int k : new int[] {0, 1, 2, n / 3, n - 1, n, n + 1}) {
      if (k >= 0) {
        assertThat(TopK.ascending(scores, k)).as("%d of %d", k, n).isEqualTo(bySorting(scores, k));
      }
    }
  }

  @Test
  void randomScoresOfEverySizeAgreeWithSorting() {
    Random random = new Random(1);
    for (int n : new int[] {1, 2, 3, 7, 63, 64, 65, 1000, 4097}) {
      float[] scores = new float[n];
      for (int round = 0; round < 5; round++) {
        for (int i = 0; i < n; i++) {
          scores[i] = (float) random.nextGaussian();
        }
        assertSame(scores);
      }
    }
  }

  /** Oracle: the selection by indices. */
  @Test
  void theLeastOfTheLargestSeparatesThemFromTheOthers() {
    Random random = new Random(3);
    long[] scratch = new long[600];
    for (int count : new int[] {1, 2, 63, 500}) {
      float[] scores = new float[count + 7];
      for (int i = 0; i < scores.length; i++) {
        scores[i] = random.nextInt(20) - 10;
      }
      float[] part = Arrays.copyOfRange(scores, 7, scores.length);
      for (int k : new int[] {1, 2, count / 2 + 1, count, count + 5}) {
        long least = TopK.least(scores, 7, count, k, scratch);
        int[] chosen =
            IntStream.range(0, count).filter(i -> TopK.key(part[i], i) >= least).toArray();
        assertThat(chosen).as("%d of %d", k, count).isEqualTo(TopK.ascending(part, k));
      }
    }
  }

  @Test
  void everyNanIsAboveAllNumbers() {
    for (float nan : new float[] {Float.NaN, Float.intBitsToFloat(0xffc0_1234)}) {
      assertThat(TopK.key(nan, 0)).isGreaterThan(TopK.key(Float.POSITIVE_INFINITY, 1000));
    }
  }

  @Test
  void tiesTakeTheHigherIndex() {
    Random random = new Random(2);
    float[] few = new float[1000];
    for (int i = 0; i < few.length; i++) {
      few[i] = random.nextInt(4);
    }
    assertSame(few);
    assertSame(new float[500]);
    assertThat(TopK.ascending(new float[] {1, 1, 1, 1}, 2)).containsExactly(2, 3);
    assertThat(TopK.ascending(new float[] {0f, -0f, 0f}, 2)).containsExactly(1, 2);
  }

  @Test
  void infinitiesAndTinyNumbersAreOrdered() {
    float[] scores = {
      Float.NEGATIVE_INFINITY,
      Float.POSITIVE_INFINITY,
      -Float.MAX_VALUE,
      Float.MIN_VALUE,
      -Float.MIN_VALUE,
      0f,
      -0f,
      Float.MAX_VALUE,
      Float.POSITIVE_INFINITY,
      -1f
    };
    assertSame(scores);
  }

  @Test
  void sortedAndMirroredScoresAgreeWithSorting() {
    int n = 5000;
    float[] up = new float[n];
    float[] down = new float[n];
    float[] tent = new float[n];
    for (int i = 0; i < n; i++) {
      up[i] = i;
      down[i] = -i;
      tent[i] = Math.min(i, n - i);
    }
    assertSame(up);
    assertSame(down);
    assertSame(tent);
  }

  @Test
  void nanIsAnErrorWhateverTheSize() {
    for (int k : new int[] {0, 1, 3, 4}) {
      assertThatThrownBy(() -> TopK.ascending(new float[] {1, 2, Float.NaN}, k))
          .isInstanceOf(ArithmeticException.class)
          .hasMessage("Score 2 of 3 is NaN");
    }
  }

  @Test
  void scoresStayAsTheyAre() {
    float[] scores = {3, 1, 2};
    assertThat(TopK.ascending(scores, 1)).containsExactly(0);
    assertThat(scores).containsExactly(3, 1, 2);
  }
}
