package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Log-likelihoods of all tokens, over a vocabulary that is wide beside the document. */
class NllTest {
  private static final TinyModel WIDE = new TinyModel(2, 40_000);
  private static final int TOKENS = 400;
  private static final long LOGITS_BYTES = 32 << 20;

  @TempDir Path folder;

  /** Oracle: log-softmax in fp64 of the logits at every position. */
  @Test
  void isTheLogSoftmaxOfAllLogits() throws Exception {
    int[] tokens = WIDE.tokens(TOKENS);
    PrefillResult result =
        TestOptions.of(WIDE.write(folder))
            .emit(Emit.NLL, Emit.LOGITS)
            .lastPositions(TOKENS)
            .prefill(tokens, null);
    assertThat(result.tokenNll()).hasSize(TOKENS - 1);
    double sum = 0;
    for (int t = 0; t + 1 < TOKENS; t++) {
      double expected = nll(result.lastLogits()[t], tokens[t + 1]);
      assertThat((double) result.tokenNll()[t])
          .as("token %d", t + 1)
          .isCloseTo(expected, within(1e-5 * expected));
      sum += expected;
    }
    assertThat(result.meanNll()).isCloseTo(sum / (TOKENS - 1), within(1e-5));
  }

  private static double nll(float[] logits, int target) {
    double max = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      max = Math.max(max, logit);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - max);
    }
    return max + Math.log(sum) - logits[target];
  }

  @Test
  void neverHoldsTheLogitsOfAllTokens() throws Exception {
    try (RecordedPrefill recorded =
        new RecordedPrefill(
            TestOptions.of(WIDE.write(folder))
                .emit(Emit.NLL, Emit.LOGITS)
                .lastPositions(TOKENS)
                .build())) {
      recorded.run(WIDE.tokens(TOKENS), null);
      assertThat((long) TOKENS * WIDE.vocab() * Float.BYTES).isGreaterThan(LOGITS_BYTES);
      assertThat(recorded.backend.allocations())
          .isNotEmpty()
          .allSatisfy(
              allocation -> assertThat(allocation.bytes()).isLessThanOrEqualTo(LOGITS_BYTES));
    }
  }

  @Test
  void oneTokenHasNoneAndNoMean() throws Exception {
    PrefillResult result =
        TestOptions.of(WIDE.write(folder)).emit(Emit.TOKEN_NLL).prefill(new int[] {7}, null);
    assertThat(result.tokenNll()).isEmpty();
    assertThat(result.meanNll()).isNaN();
  }

  @Test
  void whatIsNotFiniteIsAnErrorThatSaysWhere() throws Exception {
    Path model =
        WIDE.write(
            folder,
            (name, values) -> {
              if (name.equals("lm_head")) {
                Arrays.fill(values, Float.NaN);
              }
            });
    assertThatThrownBy(() -> TestOptions.of(model).emit(Emit.NLL).prefill(WIDE.tokens(5), null))
        .isInstanceOf(ArithmeticException.class)
        .hasMessage("The log-likelihood of token 1 is not finite: NaN");
    assertThatThrownBy(() -> TestOptions.of(model).emit(Emit.LOGITS).prefill(WIDE.tokens(5), null))
        .isInstanceOf(ArithmeticException.class)
        .hasMessageStartingWith("The logits at token 4 is not finite: element 0 is NaN");
  }
}
