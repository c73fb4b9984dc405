package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import io.sparsefill.job.output.KvCost.Prices;
import org.junit.jupiter.api.Test;

/** Oracle: numbers by hand. */
class KvCostTest {
  /**
   * Llama-3-8B, 131,072 tokens: 17.18 GB of bf16 cost 39.5 cents a month, 20 s of a GPU 1 2/3
   * cents.
   */
  @Test
  void aLongDocumentInBf16PaysFromTwentyFourReusesOn() {
    long perToken = 2L * 32 * 8 * 128 * 2;
    KvCost cost = new KvCost(131_072 * perToken, 131_072, perToken, 20, new Prices(3, 0.023));
    assertThat(cost.bytesPerToken()).isEqualTo(131_072);
    assertThat(cost.ofBf16()).isEqualTo(1);
    assertThat(cost.keepingAMonth()).isCloseTo(0.395137, within(1e-6));
    assertThat(cost.computingAgain()).isCloseTo(0.0166667, within(1e-6));
    assertThat(cost.breakEven()).isCloseTo(23.708, within(1e-3));
    assertThat(cost.lines())
        .containsExactly(
            "kv cache     131,072.0 bytes/token in files, 1.000 of bf16's 131,072",
            "break-even   keeping it costs $0.395 a month ($0.023/GB), computing it again $0.0167"
                + " (20.0 s at $3/h): keeping pays from 23.7 reuses a month on");
  }

  @Test
  void halfTheBytesPayFromHalfTheReusesOnAndSoDoesADearerDevice() {
    KvCost cost = new KvCost(500_000_000, 1000, 1_000_000, 3600, new Prices(10, 2));
    assertThat(cost.ofBf16()).isEqualTo(0.5);
    assertThat(cost.keepingAMonth()).isEqualTo(1);
    assertThat(cost.computingAgain()).isEqualTo(10);
    assertThat(cost.breakEven()).isEqualTo(0.1);
    assertThat(cost.lines().get(1)).contains("$1 a month ($2/GB)", "$10 (3600.0 s at $10/h)");
  }

  @Test
  void smallAndLargeAmountsAreReadable() {
    KvCost small = new KvCost(1000, 1, 1000, 1e-3, new Prices(3, 0.02));
    assertThat(small.lines().get(1))
        .contains("costs $0.00000002 a month", "again $0.000000833 (", "from 0.024 reuses");
    KvCost large = new KvCost(1_000_000_000_000_000L, 1, 1000, 7200, new Prices(3, 0.02));
    assertThat(large.lines().get(1))
        .contains("costs $20,000 a month", "again $6 (", "from 3,333 reuses");
  }

  @Test
  void withoutTimesThereIsNoBreakEven() {
    KvCost cost = new KvCost(1000, 1, 1000, 0, Prices.USUAL);
    assertThat(cost.breakEven()).isNaN();
    assertThat(cost.lines().get(1)).isEqualTo("break-even   unknown: no pre-fill was timed");
  }

  @Test
  void pricesMustBeAboveZero() {
    for (double wrong : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY}) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> new Prices(wrong, 1))
          .withMessageContaining("above 0");
      assertThatIllegalArgumentException().isThrownBy(() -> new Prices(1, wrong));
    }
  }
}
