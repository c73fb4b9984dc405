package io.sparsefill.job;

import java.util.Locale;

/**
 * What to do with a document of more than {@code --max-tokens}; values of {@code --on-too-long}.
 */
public enum OnTooLong {
  /** It is an error of that document. */
  FAIL,
  /** Its first {@code --max-tokens} are pre-filled. */
  TRUNCATE,
  /** It is left out, which is no error. */
  SKIP;

  /** The option's value: the name in lower case. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
