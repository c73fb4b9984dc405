package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.attention.PatternTable;
import io.sparsefill.kernels.cuda.CudaBackend;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.nio.file.Path;
import java.util.Set;
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

  /** A question behind a kept cache, and its answer in one chunk and token by token. */
  @ParameterizedTest
  @ValueSource(strings = {"dense", "minference"})
  void aKeptCacheAnswersAQuestion(String attention) throws Exception {
    Path model = SharedMaterial.model("needle-19m");
    KeyValuePrompt json = KeyValuePrompt.of(TOKENS, 1);
    int end = json.prompt().indexOf("\n\nKey: ");
    int[] document;
    int[] question;
    int[] answer;
    try (TextTokenizer tokenizer = TextTokenizer.open(model, BosPolicy.AUTO)) {
      document = tokenizer.encode(json.prompt().substring(0, end));
      question = tokenizer.encodeMore(json.prompt().substring(end));
      answer = tokenizer.encodeMore(json.answer());
    }
    TestOptions options =
        TestOptions.of(model).backend("cuda").attention(attention).emit(Emit.LOGITS).threads(4);
    try (Engine engine = Engine.open(options.build());
        KeptCache cache = engine.prefillKeeping(document, null, question.length + answer.length)) {
      float[] next = cache.extend(question, 1)[0];
      assertThat(ForcedAnswer.of(cache, next, answer).likeliest()).isEqualTo(answer);
      assertThat(GreedyAnswer.of(cache, next, answer.length, Set.of()).tokens()).isEqualTo(answer);
    }
  }
}
