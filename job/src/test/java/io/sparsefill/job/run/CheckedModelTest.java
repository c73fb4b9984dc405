package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.TokenizingOptions;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Oracle: config.json of the bundled model. */
class CheckedModelTest {
  private static final String MODEL =
      Path.of(System.getProperty("sparsefill.root"), "conf", "models", "needle-2m").toString();

  private static TokenizingOptions tokenizing(String maxTokens) {
    RunOptions options =
        RunOptions.of(
            OptionValues.resolve(
                Map.of(
                    RunOption.MODEL,
                    MODEL,
                    RunOption.INPUT,
                    "i",
                    RunOption.OUTPUT,
                    "o",
                    RunOption.MAX_TOKENS,
                    maxTokens),
                Map.of()));
    return CheckedModel.open(options.model(), options.compute(), options.tokens().bos())
        .tokenizing(options);
  }

  @Test
  void tokenizingIsBoundByTheModelUnlessMaxTokensIsGiven() {
    assertThat(tokenizing("0").maxTokens()).isEqualTo(32_768);
    assertThat(tokenizing("77").maxTokens()).isEqualTo(77);
    assertThat(tokenizing("77").vocabulary()).isEqualTo(2048);
  }
}
