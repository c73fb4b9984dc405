package io.sparsefill.job.eval;

import java.io.Serializable;

/**
 * One document under one mode, compared with dense attention; a row of the table {@code fidelity}.
 *
 * @param docId the document
 * @param contentSha256 of its content
 * @param tokens how many were pre-filled
 * @param mode attention mode
 * @param digest of the mode's patterns
 * @param score what came out, or null
 * @param error why nothing did, or null
 */
record FidelityRow(
    String docId,
    String contentSha256,
    int tokens,
    String mode,
    String digest,
    Score score,
    String error)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  /**
   * A comparison. KL is that of the next token's distribution, dense to mode, in nats.
   *
   * @param positions looked at, the last one included
   * @param agreed those where both have the same likeliest next token
   * @param lastAgrees whether the last one is among them
   * @param klLast at the last position
   * @param klMean mean over positions
   * @param klMax greatest over positions
   * @param nll mean negative log-likelihood of the document's tokens under the mode, nats
   * @param layerError relative error of the attention's output, mean over layers and heads
   * @param recall share of the attention weights that the mode computes, mean over layers and heads
   * @param density score tiles computed / causal tiles
   * @param seconds of the mode's pre-fill
   * @param device what computed it
   */
  record Score(
      int positions,
      int agreed,
      boolean lastAgrees,
      double klLast,
      double klMean,
      double klMax,
      double nll,
      double layerError,
      double recall,
      double density,
      double seconds,
      String device)
      implements Serializable {
    private static final long serialVersionUID = 1L;
  }

  /** Tells rows of a folder apart. */
  String key() {
    return key(docId, contentSha256, mode);
  }

  /** The key of a document and mode. */
  static String key(String docId, String contentSha256, String mode) {
    return docId + " " + contentSha256 + " " + mode;
  }

  boolean failed() {
    return error != null;
  }
}
