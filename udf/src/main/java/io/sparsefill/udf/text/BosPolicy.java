package io.sparsefill.udf.text;

import java.util.Locale;

/** Whether a document starts with the model's beginning-of-sequence token ({@code --bos}). */
public enum BosPolicy {
  /**
   * The model's files decide; the first that speaks wins: {@code add_bos_token} (and {@code
   * add_eos_token}) of tokenizer_config.json; the post-processor of tokenizer.json, if it adds
   * special tokens; {@code "bos_token": null} of tokenizer_config.json, which means none; {@code
   * bos_token_id} of config.json, if that is an added special token of tokenizer.json.
   */
  AUTO,
  /**
   * The tokens that the post-processor puts in front, or else the model's BOS token; a model
   * without is an error.
   */
  ALWAYS,
  /** No special tokens are added. */
  NEVER;

  /** The option's word: {@code auto}, {@code always}, {@code never}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Reads a label.
   *
   * @throws IllegalArgumentException naming the accepted labels
   */
  public static BosPolicy of(String label) {
    for (BosPolicy policy : values()) {
      if (policy.label().equals(label)) {
        return policy;
      }
    }
    throw new IllegalArgumentException(
        "Unknown BOS policy '" + label + "': accepted are auto, always, never");
  }
}
