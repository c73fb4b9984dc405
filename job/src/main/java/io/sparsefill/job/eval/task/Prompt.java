package io.sparsefill.job.eval.task;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/**
 * A question as a model reads it: the tokens of context and question, which are pre-filled, and
 * those of the answers, which are taught one after the other. Where a token's logits are the row
 * before it, an answer is a hit when all its tokens are the argmax of theirs.
 *
 * @param tokens all tokens, BOS first where the model has one
 * @param promptTokens how many of them are context and question
 * @param answers where the scored answers stand, in the order of the question
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier of tokens, never compared
public record Prompt(int[] tokens, int promptTokens, List<Span> answers) {
  /**
   * Tokens [from, to) of an answer.
   *
   * @param from position of the first
   * @param to position after the last
   */
  public record Span(int from, int to) {}

  /**
   * Tokenises a question.
   *
   * @param encode tokens of a whole text as the model reads it, its BOS token included
   * @throws IllegalArgumentException if tokens run across the border of a question and its answer
   *     or of two answers, which would hide a hit
   */
  public static Prompt of(Sample sample, Question question, Function<String, int[]> encode) {
    String before = sample.context() + question.text();
    int[] prompt = encode.apply(before);
    int[] tokens = encode.apply(before + question.answerText());
    // Borders inside the answers need the question only, which is short.
    int[] bare = encode.apply(question.text());
    int shift = prompt.length - bare.length;
    List<Span> spans = new ArrayList<>();
    String text = question.text();
    for (Answer answer : question.answers()) {
      int[] lead = encode.apply(text += answer.lead());
      int[] full = encode.apply(text += answer.text());
      spans.add(new Span(shift + lead.length, shift + full.length));
      if (!begins(full, lead)) {
        throw joined(sample, answer);
      }
    }
    Answer last = question.answers().get(question.answers().size() - 1);
    if (!begins(tokens, prompt) || spans.get(spans.size() - 1).to() != tokens.length) {
      throw joined(sample, last);
    }
    return new Prompt(tokens, prompt.length, spans);
  }

  /** The answers' tokens, those between them included. */
  public int[] answerTokens() {
    return Arrays.copyOfRange(tokens, promptTokens, tokens.length);
  }

  /**
   * Whether each answer was found.
   *
   * @param argmax the likeliest token at each position from {@code promptTokens} on, as many as
   *     {@link #answerTokens} has
   */
  public boolean[] hits(int[] argmax) {
    if (argmax.length != tokens.length - promptTokens) {
      throw new IllegalArgumentException(
          "Cannot score %d tokens by %d likeliest ones"
              .formatted(tokens.length - promptTokens, argmax.length));
    }
    boolean[] hits = new boolean[answers.size()];
    for (int i = 0; i < hits.length; i++) {
      Span span = answers.get(i);
      hits[i] =
          Arrays.equals(
              tokens, span.from, span.to, argmax, span.from - promptTokens, span.to - promptTokens);
    }
    return hits;
  }

  private static boolean begins(int[] tokens, int[] start) {
    return tokens.length >= start.length
        && Arrays.equals(tokens, 0, start.length, start, 0, start.length);
  }

  private static IllegalArgumentException joined(Sample sample, Answer answer) {
    return new IllegalArgumentException(
        "Cannot score the answer '%s' of %s: this model's tokenizer joins it with what stands before it"
            .formatted(answer.text().strip(), sample.id()));
  }
}
