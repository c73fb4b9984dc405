package io.sparsefill.job.eval.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.eval.task.Prompt.Span;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PromptTest {
  /** The oracle is the tokenizer on the whole text up to each border. */
  @ParameterizedTest
  @EnumSource(
      value = Task.class,
      names = {"KV", "NIAH_MULTIVALUE", "CWE", "VT", "PASSKEY"})
  void answersStandWhereTheWholeTextsTokensSay(Task task) {
    for (Wording wording : Wording.values()) {
      Sample sample =
          new Samples(wording, TestTexts.NOVEL, text -> TestTexts.needle2m().apply(text).length)
              .sample(task, 2_500, OptionalDouble.empty(), 1);
      Question question = sample.questions().get(0);
      Prompt prompt = Prompt.of(sample, question, TestTexts.needle2m());
      String text = sample.context() + question.text();
      assertThat(prompt.promptTokens()).isEqualTo(tokens(text));
      for (int i = 0; i < question.answers().size(); i++) {
        Answer answer = question.answers().get(i);
        int from = tokens(text + answer.lead());
        text += answer.lead() + answer.text();
        assertThat(prompt.answers().get(i)).isEqualTo(new Span(from, tokens(text)));
      }
      assertThat(prompt.tokens()).isEqualTo(TestTexts.needle2m().apply(text));
    }
  }

  @Test
  void anAnswerIsAHitWhenAllItsTokensAreTheLikeliest() {
    Prompt prompt =
        new Prompt(new int[] {0, 9, 8, 1, 2, 3, 4, 5}, 3, List.of(new Span(3, 5), new Span(6, 8)));
    assertThat(prompt.answerTokens()).containsExactly(1, 2, 3, 4, 5);
    assertThat(prompt.hits(new int[] {1, 2, 3, 4, 5})).containsExactly(true, true);
    assertThat(prompt.hits(new int[] {1, 2, 7, 4, 5})).as("a lead").containsExactly(true, true);
    assertThat(prompt.hits(new int[] {1, 7, 3, 4, 5})).containsExactly(false, true);
    assertThat(prompt.hits(new int[] {1, 2, 3, 4, 7})).containsExactly(true, false);
    assertThatThrownBy(() -> prompt.hits(new int[4]))
        .hasMessage("Cannot score 5 tokens by 4 likeliest ones");
  }

  /** A tokenizer that makes one token of two characters, wherever they stand. */
  @Test
  void tokensAcrossABorderAreRefused() {
    Sample sample =
        new Sample(Task.KV, 100, Double.NaN, 1, "abc", List.of(Question.of("defg:", "xyz")));
    assertThatThrownBy(
            () ->
                Prompt.of(
                    sample,
                    Question.of("defg", "xyz"),
                    text -> {
                      int[] pairs = new int[(text.length() + 1) / 2];
                      Arrays.setAll(
                          pairs,
                          i ->
                              text.substring(2 * i, Math.min(2 * i + 2, text.length())).hashCode());
                      return pairs;
                    }))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "Cannot score the answer 'xyz' of kv-100-s1: this model's tokenizer joins it with what stands before it");
  }

  private static int tokens(String text) {
    return TestTexts.needle2m().apply(text).length;
  }
}
