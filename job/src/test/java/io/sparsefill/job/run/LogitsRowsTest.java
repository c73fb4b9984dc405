package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.LogitsRow;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.PrefillResult;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Rows of the logits table from made-up results. */
class LogitsRowsTest {
  private static PrefillResult result(int tokens, float[][] logits, float[] nll, float[] hidden) {
    return new PrefillResult(tokens, logits, nll, hidden, "dense", 1, 0, 0, "test");
  }

  @Test
  void rowsCoverTheLastPositionsAndDocumentValuesStandOnTheLastOne() {
    float[][] logits = {{0, 1, 2}, {5, 4, 3}};
    float[] nll = {1f, 2f, 4f, 1f};
    float[] hidden = {0.5f, -0.5f};
    LogitsRows rows = new LogitsRows(EnumSet.allOf(Emit.class), 2, true);

    List<LogitsRow> made = rows.of("d", result(5, logits, nll, hidden), id -> "t" + id);

    assertThat(made).hasSize(2);
    LogitsRow first = made.get(0);
    assertThat(first.position()).isEqualTo(3);
    assertThat(first.topIds()).containsExactly(2, 1);
    assertThat(first.topTokens()).containsExactly("t2", "t1");
    assertThat(first.nll()).isNull();
    assertThat(first.tokenNll()).isNull();
    assertThat(first.hidden()).isNull();
    LogitsRow last = made.get(1);
    assertThat(last.position()).isEqualTo(4);
    assertThat(last.topIds()).containsExactly(0, 1);
    assertThat(last.nll()).isEqualTo(2.0);
    assertThat(last.perplexity()).isEqualTo(Math.exp(2.0));
    assertThat(last.tokenNll()).containsExactly(nll);
    assertThat(last.hidden()).containsExactly(hidden);
    float[] stored = new float[3];
    ByteBuffer.wrap(last.logits()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(stored);
    assertThat(stored).containsExactly(logits[1]);
  }

  @Test
  void onlyWhatIsEmittedIsThere() {
    assertThat(
            new LogitsRows(EnumSet.of(Emit.KV), 5, false)
                .of("d", result(5, null, null, null), Integer::toString))
        .isEmpty();

    List<LogitsRow> nllOnly =
        new LogitsRows(EnumSet.of(Emit.NLL), 5, true)
            .of("d", result(2, null, new float[] {3f}, null), Integer::toString);
    assertThat(nllOnly).hasSize(1);
    assertThat(nllOnly.get(0).position()).isEqualTo(1);
    assertThat(nllOnly.get(0).topIds()).isNull();
    assertThat(nllOnly.get(0).logits()).isNull();
    assertThat(nllOnly.get(0).nll()).isEqualTo(3.0);
    assertThat(nllOnly.get(0).tokenNll()).isNull();

    List<LogitsRow> oneToken =
        new LogitsRows(EnumSet.of(Emit.NLL), 5, false)
            .of("d", result(1, null, new float[0], null), Integer::toString);
    assertThat(oneToken.get(0).nll()).isNull();
    assertThat(oneToken.get(0).perplexity()).isNull();
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void logitThatIsNoNumberIsTheDocumentsError(float bad) {
    float[] logits = new float[9];
    Arrays.fill(logits, 1f);
    logits[4] = bad;
    LogitsRows rows = new LogitsRows(EnumSet.of(Emit.LOGITS), 3, false);
    assertThatThrownBy(
            () -> rows.of("d", result(7, new float[][] {logits}, null, null), Integer::toString))
        .hasMessageContaining("position 6")
        .hasMessageContaining(Float.toString(bad));
  }
}
