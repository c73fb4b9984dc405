package io.sparsefill.job.eval.task;

import java.util.List;
import java.util.OptionalDouble;
import java.util.function.ToIntFunction;

/**
 * Makes samples. The same wording, haystack, task, length, depth, seed and tokenizer give the same
 * sample, on every machine.
 */
public final class Samples {
  private final Wording wording;
  private final Haystack haystack;
  private final ToIntFunction<String> tokens;
  private final int questions;

  /**
   * For one model, one question a sample.
   *
   * @param wording how prompts are worded
   * @param haystack texts to hide things in; null where none is needed
   * @param tokens counts the tokens of a whole text as the model reads it, its BOS token included
   */
  public Samples(Wording wording, Haystack haystack, ToIntFunction<String> tokens) {
    this(wording, haystack, tokens, 1);
  }

  /**
   * For one model.
   *
   * @param wording how prompts are worded
   * @param haystack texts to hide things in; null where none is needed
   * @param tokens counts the tokens of a whole text as the model reads it, its BOS token included
   * @param questions how many questions a sample has where the task has {@linkplain Task#manyKeys
   *     many keys}; one after the other they cost the pre-fill of the context once
   * @throws IllegalArgumentException if that is not from 1 to 40
   */
  public Samples(Wording wording, Haystack haystack, ToIntFunction<String> tokens, int questions) {
    if (questions < 1 || questions > Request.DEPTHS) {
      throw new IllegalArgumentException(
          "Cannot ask %d questions about a context: 1 to %d are possible"
              .formatted(questions, Request.DEPTHS));
    }
    this.wording = wording;
    this.haystack = haystack;
    this.tokens = tokens;
    this.questions = questions;
  }

  /**
   * One sample.
   *
   * @param length the most tokens that context, question and answers take; they take less by under
   *     one unit of the task (a word, a line, a pair)
   * @param depth where the thing asked for lies, 0 to 1; empty for a drawn depth
   * @param seed another one, another sample
   * @throws IllegalArgumentException if the length is too small or too large for the task, or the
   *     task has no depth, or needs texts
   */
  public Sample sample(Task task, int length, OptionalDouble depth, long seed) {
    if (task == Task.PPL) {
      throw new IllegalArgumentException("Cannot draw a sample of ppl: it reads texts one by one");
    }
    if (depth.isPresent() && !task.placed()) {
      throw new IllegalArgumentException(
          "Cannot put the answers of %s at depth %s: they lie at several places"
              .formatted(task.label(), depth.getAsDouble()));
    }
    if (depth.isPresent() && !(depth.getAsDouble() >= 0 && depth.getAsDouble() <= 1)) {
      throw new IllegalArgumentException(
          "Cannot hide anything at depth %s: depths are from 0 to 1"
              .formatted(depth.getAsDouble()));
    }
    Request request = new Request(task, wording, length, depth.orElse(Double.NaN), seed, questions);
    return fit(
        draft(request),
        task,
        length,
        seed,
        "make a sample of %s of %,d tokens".formatted(task.label(), length));
  }

  /**
   * The beginning of a text, for its perplexity; cut after a word.
   *
   * @param text index of the text in the haystack
   * @param length the most tokens
   * @throws IllegalArgumentException if there is no such text, or it has fewer tokens, or the
   *     length is less than a word's
   */
  public Sample perplexity(int text, int length) {
    List<Haystack.Text> all = texts(Task.PPL).texts();
    if (text < 0 || text >= all.size()) {
      throw new IllegalArgumentException(
          "Cannot read text %d: there are %d, counted from 0".formatted(text, all.size()));
    }
    Haystack.Text read = all.get(text);
    return fit(
        TextTask.draft(read),
        Task.PPL,
        length,
        text,
        "read %,d tokens from the start of the text '%s'".formatted(length, read.name()));
  }

  private Draft draft(Request request) {
    return switch (request.task()) {
      case NIAH_SINGLE_1, NIAH_MULTIKEY_2, NIAH_MULTIKEY_3 -> NeedleTask.draft(request, null);
      case NEEDLE,
          NIAH_SINGLE_2,
          NIAH_SINGLE_3,
          NIAH_MULTIKEY_1,
          NIAH_MULTIVALUE,
          NIAH_MULTIQUERY ->
          NeedleTask.draft(request, texts(request.task()));
      case VT -> VariableTask.draft(request);
      case CWE -> CommonWordsTask.draft(request);
      case FWE -> FrequentWordsTask.draft(request);
      case PASSKEY, NUMBER_STRING -> PasskeyTask.draft(request);
      case KV -> KeyValueTask.draft(request);
      case PPL -> throw new IllegalStateException("ppl has texts, not drafts");
    };
  }

  private Haystack texts(Task task) {
    if (haystack == null) {
      throw new IllegalArgumentException(
          "Cannot make a sample of %s without a text: give text files".formatted(task.label()));
    }
    return haystack;
  }

  private Sample fit(Draft draft, Task task, int length, long seed, String what) {
    int units =
        new Fit(
                length,
                n -> size(draft, n),
                draft.stretch() == null ? null : (from, to) -> size(draft.stretch(), from, to))
            .largest(draft.least(), draft.most());
    if (units < draft.least()) {
      throw new IllegalArgumentException(
          "Cannot %s: the smallest, of %s, takes %,d; ask for a longer one"
              .formatted(what, counted(draft.least(), draft.unit()), size(draft, draft.least())));
    }
    if (units == draft.most() && size(draft, units) < length) {
      throw new IllegalArgumentException(
          "Cannot %s: the largest, of %s, takes %,d; ask for a shorter one"
              .formatted(what, counted(units, draft.unit()), size(draft, units)));
    }
    Draft.Body body = draft.body().apply(units);
    return new Sample(task, length, draft.depth(), seed, body.context(), body.questions());
  }

  /** Tokens of context, question and answers, of the question that takes most. */
  private int size(Draft draft, int units) {
    Draft.Body body = draft.body().apply(units);
    String longest = "";
    int most = -1;
    for (Question question : body.questions()) {
      String text = question.text() + question.answerText();
      // One question needs no comparison; of several, which begin alike, each is short.
      int size = body.questions().size() == 1 ? 0 : tokens.applyAsInt(text);
      if (size > most) {
        most = size;
        longest = text;
      }
    }
    return tokens.applyAsInt(body.context() + longest);
  }

  private int size(Draft.Stretch stretch, int from, int to) {
    return tokens.applyAsInt(stretch.text(from, to)) - tokens.applyAsInt("");
  }

  private static String counted(int units, String unit) {
    return "%,d %s%s".formatted(units, unit, units == 1 ? "" : "s");
  }
}
