package io.sparsefill.job.eval.task;

import java.util.Locale;

/** How prompts are worded. */
public enum Wording {
  /**
   * As the benchmark that a task comes from words it: NVIDIA's RULER for needles, variables and
   * words, InfiniteBench for pass keys, number strings and key-value pairs.
   */
  RULER,
  /**
   * Shorter, without worked examples, and answers end with what closes them; the bundled needle-2m
   * and its larger twin were trained on these prompts.
   */
  PLAIN;

  /** The option's word: {@code ruler} or {@code plain}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Reads the option's word.
   *
   * @throws IllegalArgumentException for an unknown one, naming the accepted ones
   */
  public static Wording parse(String word) {
    for (Wording wording : values()) {
      if (wording.label().equals(word.strip())) {
        return wording;
      }
    }
    throw new IllegalArgumentException(
        "Unknown wording '" + word + "': accepted are ruler and plain");
  }
}
