package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * A prompt together with its answer, which a model is taught token by token: what it would have
 * said is the argmax where each answer token is due.
 *
 * @param tokens prompt and answer
 * @param truth the answer's tokens, the last of {@code tokens}
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier of test input, never compared
record AnsweredPrompt(int[] tokens, int[] truth) {
  static AnsweredPrompt of(Path model, String prompt, String answer) {
    try (TextTokenizer tokenizer = TextTokenizer.open(model, BosPolicy.AUTO)) {
      int[] tokens = tokenizer.encode(prompt + answer);
      int[] before = tokenizer.encode(prompt);
      assertThat(Arrays.copyOf(tokens, before.length)).as("the prompt's tokens").isEqualTo(before);
      return new AnsweredPrompt(tokens, Arrays.copyOfRange(tokens, before.length, tokens.length));
    }
  }

  /** Pre-fills with the logits of the answer. */
  PrefillResult prefill(TestOptions options) throws Exception {
    return options.emit(Emit.LOGITS).lastPositions(truth.length + 1).prefill(tokens, null);
  }

  /** The likeliest token after each of the positions before an answer token. */
  int[] argmax(PrefillResult result) {
    int[] best = new int[truth.length];
    for (int i = 0; i < best.length; i++) {
      float[] logits = result.lastLogits()[i];
      for (int id = 0; id < logits.length; id++) {
        best[i] = logits[id] > logits[best[i]] ? id : best[i];
      }
    }
    return best;
  }
}
