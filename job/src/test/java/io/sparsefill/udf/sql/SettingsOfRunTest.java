package io.sparsefill.udf.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.run.RunOption;
import org.junit.jupiter.api.Test;

/** The functions where the job is: they share its configuration keys, and RAPIDS is not there. */
class SettingsOfRunTest {
  /** Oracle: {@link RunOption}; a key that it does not have fails in {@code orElseThrow}. */
  @Test
  void keysAndDefaultsAreThoseOfARun() {
    String model = RunOption.MODEL.key();
    SqlSettings defaults = SqlSettings.of(key -> key.equals(model) ? "DIR" : null, 1);
    SqlSettings run =
        SqlSettings.of(
            key -> {
              RunOption option = RunOption.ofKey(key).orElseThrow();
              return key.equals(model) ? "DIR" : option.defaultValue().orElse(null);
            },
            1);
    assertThat(defaults).isEqualTo(run);
  }

  @Test
  void withoutRapidsOnlyTheClassesThatTakeColumnsAreMissing() {
    for (SqlFunction function : SqlFunction.values()) {
      assertThat(function.udf(Columns.NONE)).isNotNull();
      assertThatThrownBy(() -> function.udf(Columns.ON_GPU))
          .isInstanceOf(NoClassDefFoundError.class)
          .hasMessageContaining("RapidsUDF");
    }
  }
}
