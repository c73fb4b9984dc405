package io.sparsefill.job.eval.task;

import java.util.List;

/**
 * A question about a context.
 *
 * @param text continues the context and ends where the answer begins
 * @param answers what must follow, in this order; at least one
 * @param anyOrder whether the benchmark accepts the answers in any order: scoring token by token in
 *     this order is then stricter than the benchmark
 */
public record Question(String text, List<Answer> answers, boolean anyOrder) {
  /** Takes a copy of the answers. */
  public Question {
    answers = List.copyOf(answers);
    if (answers.isEmpty()) {
      throw new IllegalArgumentException("Cannot ask '" + text + "': it has no answer");
    }
  }

  /** With one answer. */
  static Question of(String text, String answer) {
    return new Question(text, List.of(new Answer("", answer)), false);
  }

  /** All answers with their leads. */
  public String answerText() {
    StringBuilder text = new StringBuilder();
    for (Answer answer : answers) {
      text.append(answer.lead()).append(answer.text());
    }
    return text.toString();
  }
}
