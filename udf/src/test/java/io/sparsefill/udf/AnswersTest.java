package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparsefill.kernels.attention.PatternTable;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * A trained model answers two questions about one document, pre-filled densely and with
 * MInference's attention. The oracle is the truth; the seed is such that the model knows it.
 */
class AnswersTest {
  private static final int ROOM = 300;

  private Path model;
  private int[] document;
  private Question one;
  private Question two;

  /** A question about the document, and the tokens of its answer. */
  @SuppressWarnings("ArrayRecordComponent") // a carrier of test input, never compared
  private record Question(int[] tokens, int[] answer) {
    static Question of(TextTokenizer tokenizer, String question, String answer) {
      return new Question(tokenizer.encodeMore(question), tokenizer.encodeMore(answer));
    }
  }

  @BeforeEach
  void readTheDocument() {
    model = SharedMaterial.model("needle-2m");
    try (TextTokenizer tokenizer = TextTokenizer.open(model, BosPolicy.AUTO)) {
      KeyValuePrompt asked = KeyValuePrompt.of(4_000, 1);
      String prompt = asked.prompt();
      String json = prompt.substring(0, prompt.indexOf("\n\nKey: "));
      String[] lastPair =
          json.substring(json.lastIndexOf(", ") + 2, json.length() - 1)
              .replace("\"", "")
              .split(": ", -1);
      document = tokenizer.encode(json);
      one = Question.of(tokenizer, prompt.substring(json.length()), asked.answer());
      two =
          Question.of(
              tokenizer,
              "\n\nKey: \"%s\"\nThe value associated with the specified key is: \""
                  .formatted(lastPair[0]),
              lastPair[1] + "\"");
    }
  }

  @Test
  void denseCacheAnswersBothQuestions() throws Exception {
    answers(TestOptions.of(model));
  }

  @Test
  void sparselyFilledCacheAnswersBothQuestions() throws Exception {
    ModelConfig config = ModelConfig.read(model);
    PatternTable.Entry entry = new PatternTable.Entry("vertical_and_slash", 100, 800, 1);
    answers(
        TestOptions.of(model)
            .attention("minference")
            .patterns(PatternTable.uniform(entry, config.layers(), config.heads()).toJson()));
  }

  private void answers(TestOptions options) throws Exception {
    try (Engine engine = Engine.open(options.emit(Emit.LOGITS).threads(2).build());
        KeptCache cache = engine.prefillKeeping(document, null, ROOM)) {
      for (Question question : new Question[] {one, two, one}) {
        answers(cache, question);
        cache.rewind(document.length);
      }
    }
  }

  private static void answers(KeptCache cache, Question question) throws Exception {
    int[] answer = question.answer();
    float[] next = cache.extend(question.tokens(), 1)[0];
    int asked = cache.length();

    ForcedAnswer forced = ForcedAnswer.of(cache, next, answer);
    assertThat(forced.likeliest()).isEqualTo(answer);
    assertThat(forced.isHit()).isTrue();
    assertThat(cache.length()).isEqualTo(asked);

    GreedyAnswer greedy = GreedyAnswer.of(cache, next, answer.length, Set.of());
    assertThat(greedy.tokens()).isEqualTo(answer);
    assertThat(greedy.ended()).isFalse();
    assertThat(cache.length()).isEqualTo(asked + answer.length - 1);
    assertThat(greedy.logProbabilities())
        .as("what teacher forcing says")
        .containsExactly(forced.logProbabilities(), within(1e-3));

    cache.rewind(asked);
    int end = answer[answer.length - 1];
    int first = firstOf(answer, end);
    GreedyAnswer ended = GreedyAnswer.of(cache, next, answer.length, Set.of(end));
    assertThat(ended.ended()).isTrue();
    assertThat(ended.tokens()).isEqualTo(Arrays.copyOf(answer, first));
    assertThat(ended.logProbabilities()).hasSize(first);

    cache.rewind(asked);
    int[] wrong = answer.clone();
    wrong[3] = answer[3] == 5 ? 6 : 5;
    ForcedAnswer miss = ForcedAnswer.of(cache, next, wrong);
    assertThat(miss.isHit()).isFalse();
    assertThat(miss.hits()).startsWith(true, true, true, false);
    assertThat(miss.logProbabilities()[3]).isLessThan(forced.logProbabilities()[3]);
  }

  private static int firstOf(int[] tokens, int wanted) {
    for (int i = 0; i < tokens.length; i++) {
      if (tokens[i] == wanted) {
        return i;
      }
    }
    throw new AssertionError(wanted + " is not among " + Arrays.toString(tokens));
  }

  /** An answer of one token needs nothing but the logits that are there. */
  @Test
  void anAnswerOfOneTokenNeedsNoRoom() throws Exception {
    try (Engine engine = Engine.open(TestOptions.of(model).emit(Emit.LOGITS).threads(2).build());
        KeptCache cache = engine.prefillKeeping(document, null, one.tokens().length)) {
      float[] next = cache.extend(one.tokens(), 1)[0];
      assertThat(cache.room()).isZero();
      int[] first = {one.answer()[0]};
      assertThat(ForcedAnswer.of(cache, next, first).isHit()).isTrue();
      assertThat(GreedyAnswer.of(cache, next, 1, Set.of()).tokens()).isEqualTo(first);
    }
  }
}
