package io.sparsefill.job.eval;

import io.sparsefill.job.eval.task.Prompt;
import io.sparsefill.job.eval.task.Question;
import io.sparsefill.job.eval.task.Sample;
import io.sparsefill.udf.text.TextTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A sample as tokens, the same for every mode. A single question is pre-filled with its context, as
 * upstream does: the last 64 queries, which choose columns and diagonals, are then the question's.
 * Of several questions none can be, so the context is pre-filled alone and each question follows it
 * as a dense chunk.
 *
 * @param prefill what a mode pre-fills
 * @param prompts each question with its context; they begin with {@code prefill}
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier of tokens, never compared
record AskedSample(int[] prefill, List<Prompt> prompts) {
  /**
   * Tokenises a sample.
   *
   * @throws IllegalArgumentException as {@link Prompt#of}
   */
  static AskedSample of(Sample sample, TextTokenizer tokenizer) {
    List<Prompt> prompts = new ArrayList<>();
    for (Question question : sample.questions()) {
      prompts.add(Prompt.of(sample, question, tokenizer::encode));
    }
    if (prompts.size() == 1) {
      Prompt only = prompts.get(0);
      return new AskedSample(Arrays.copyOf(only.tokens(), only.promptTokens()), prompts);
    }
    int[] context = tokenizer.encode(sample.context());
    int common = context.length;
    for (Prompt prompt : prompts) {
      // A token may join the context's end and the question's beginning.
      int same = Arrays.mismatch(context, prompt.tokens());
      common = same < 0 ? common : Math.min(common, same);
    }
    return new AskedSample(Arrays.copyOf(context, common), prompts);
  }

  /** Whether questions follow the pre-fill. */
  boolean contextAlone() {
    return prompts.size() > 1;
  }

  /** The tokens of a prompt that follow the pre-fill; none of a single question. */
  int[] question(Prompt prompt) {
    return Arrays.copyOfRange(prompt.tokens(), prefill.length, prompt.promptTokens());
  }

  /** Most tokens that follow the pre-fill at once. */
  int room() {
    int most = 1;
    for (Prompt prompt : prompts) {
      most = Math.max(most, prompt.tokens().length - prefill.length);
    }
    return most;
  }
}
