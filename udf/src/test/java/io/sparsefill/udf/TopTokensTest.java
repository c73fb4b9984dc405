package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Oracles: a full sort, and the definition of softmax in double. */
class TopTokensTest {
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 20, 63, 64, 65, 100})
  void bestIdsAreThoseOfAFullSortWithTiesBySmallerId(int k) {
    Random random = new Random(k);
    float[] logits = new float[64];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = random.nextInt(20); // many equal ones
    }
    int[] expected =
        IntStream.range(0, logits.length)
            .boxed()
            .sorted(
                Comparator.comparingDouble((Integer id) -> -logits[id])
                    .thenComparing(Comparator.naturalOrder()))
            .limit(k)
            .mapToInt(Integer::intValue)
            .toArray();
    assertThat(TopTokens.of(logits, k, 0).ids()).containsExactly(expected);
  }

  @Test
  void logProbabilitiesAreLogSoftmaxEvenForLogitsThatOverflowExp() {
    float[] logits = {2000f, 1999f, -3000f, 1998.5f};
    double sum = 1 + Math.exp(-1) + Math.exp(-1.5) + Math.exp(-5000);
    TopTokens top = TopTokens.of(logits, 4, 0);
    assertThat(top.ids()).containsExactly(0, 1, 3, 2);
    assertThat(top.logProbabilities())
        .containsExactly(
            new double[] {
              -Math.log(sum), -1 - Math.log(sum), -1.5 - Math.log(sum), -5000 - Math.log(sum)
            },
            Offset.offset(1e-12));
  }
}
