package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.attention.PatternTable;
import io.sparsefill.kernels.cuda.CudaBackend;
import io.sparsefill.udf.model.ModelConfig;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The larger needle model over 32,000 tokens on a GPU, in bf16, densely and sparsely. The oracle is
 * the truth, which is the CPU backend's argmax as well: the seeds are such.
 */
class CudaRetrievalTest {
  private static final int TOKENS = 32_000;

  @BeforeAll
  static void needsDevice() {
    SharedMaterial.orSkip(
        CudaBackend.unavailable().isEmpty(),
        "Skipped, no CUDA device: " + CudaBackend.unavailable().orElse(""));
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void keyValueInJson(long seed) throws Exception {
    Path model = SharedMaterial.model("needle-19m");
    KeyValuePrompt json = KeyValuePrompt.of(TOKENS, seed);
    AnsweredPrompt asked = AnsweredPrompt.of(model, json.prompt(), json.answer());
    assertThat(asked.tokens().length).isBetween(TOKENS * 8 / 10, TOKENS * 12 / 10);

    PrefillResult dense = asked.prefill(TestOptions.of(model).backend("cuda").threads(4));
    assertThat(asked.argmax(dense)).as("dense").isEqualTo(asked.truth());

    ModelConfig config = ModelConfig.read(model);
    String patterns =
        PatternTable.uniform(
                new PatternTable.Entry("vertical_and_slash", 100, 800, 1),
                config.layers(),
                config.heads())
            .toJson();
    PrefillResult sparse =
        asked.prefill(
            TestOptions.of(model)
                .backend("cuda")
                .attention("minference")
                .patterns(patterns)
                .threads(4));
    assertThat(asked.argmax(sparse)).as("minference").isEqualTo(asked.truth());
    assertThat(sparse.density()).isLessThan(1);
  }
}
