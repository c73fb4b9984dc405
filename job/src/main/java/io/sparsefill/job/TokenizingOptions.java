package io.sparsefill.job;

import io.sparsefill.udf.text.BosPolicy;
import java.io.Serializable;

/**
 * How documents become tokens; travels from the driver to the tasks.
 *
 * @param model folder of the checkpoint, readable on every executor
 * @param bos whether a document begins with the model's begin-of-sequence token
 * @param maxTokens the longest document in tokens, with the begin-of-sequence token, and with
 *     question and answer where one is asked
 * @param onTooLong what to do with longer ones
 * @param vocabulary V: every token id must be below it
 * @param answerTokens how many tokens an answer may have; 0 when nothing is asked
 */
public record TokenizingOptions(
    String model,
    BosPolicy bos,
    int maxTokens,
    OnTooLong onTooLong,
    int vocabulary,
    int answerTokens)
    implements Serializable {

  /**
   * Checks the numbers.
   *
   * @throws IllegalArgumentException if one is below 1
   */
  public TokenizingOptions {
    if (maxTokens < 1 || vocabulary < 1) {
      throw new IllegalArgumentException(
          "Cannot tokenise with max tokens %d and a vocabulary of %d: both must be at least 1"
              .formatted(maxTokens, vocabulary));
    }
  }

  /** Documents about which nothing is asked. */
  public TokenizingOptions(
      String model, BosPolicy bos, int maxTokens, OnTooLong onTooLong, int vocabulary) {
    this(model, bos, maxTokens, onTooLong, vocabulary, 0);
  }
}
