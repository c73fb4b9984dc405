package io.sparsefill.udf;

import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;

/** What a pre-fill writes ({@code --emit}). */
public enum Emit {
  /** Keys and values of every layer, in blocks. */
  KV,
  /** Logits after the last token: top-k and, on request, the whole row. */
  LOGITS,
  /** Mean negative log-likelihood of the document's tokens after the first, and its perplexity. */
  NLL,
  /** Negative log-likelihood of every token after the first. */
  TOKEN_NLL,
  /** The last token's hidden state after the final norm. */
  HIDDEN,
  /** What the model says to the document's question. */
  ANSWER;

  /**
   * The option's word: {@code kv}, {@code logits}, {@code nll}, {@code token-nll}, {@code hidden},
   * {@code answer}.
   */
  public String label() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /**
   * Reads a comma-separated list of labels.
   *
   * @throws IllegalArgumentException for an unknown label or an empty list, naming the accepted
   *     ones
   */
  public static Set<Emit> parse(String list) {
    EnumSet<Emit> chosen = EnumSet.noneOf(Emit.class);
    for (String word : list.split(",", -1)) {
      Emit found = null;
      for (Emit emit : values()) {
        if (emit.label().equals(word.strip())) {
          found = emit;
        }
      }
      if (found == null) {
        throw new IllegalArgumentException(
            "Unknown output '"
                + word
                + "': accepted are kv, logits, nll, token-nll, hidden, answer");
      }
      chosen.add(found);
    }
    return chosen;
  }
}
