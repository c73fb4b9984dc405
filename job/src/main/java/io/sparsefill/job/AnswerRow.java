package io.sparsefill.job;

/**
 * One row of the answers table: what the model said to a document's question.
 *
 * @param docId the document's name
 * @param question as it was read
 * @param answer text of the answer's tokens
 * @param tokenIds the answer's tokens, without the one that ended it
 * @param logprobs their natural-log probabilities
 * @param finishReason {@code eos} when the model ended the answer, {@code length} when it is as
 *     long as {@code --max-new-tokens} allows
 */
@SuppressWarnings("ArrayRecordComponent") // written once, never compared
public record AnswerRow(
    String docId,
    String question,
    String answer,
    int[] tokenIds,
    double[] logprobs,
    String finishReason) {
  /** The model ended the answer. */
  public static final String EOS = "eos";

  /** The answer is as long as it may be. */
  public static final String LENGTH = "length";
}
