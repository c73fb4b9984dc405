package io.sparsefill.job.eval;

import java.io.Serializable;

/**
 * Attention of one layer of one document under one mode, beside dense attention on the same
 * queries, keys and values; a row of the table {@code fidelity_layers}. All are means over heads.
 *
 * @param docId the document
 * @param contentSha256 of its content
 * @param mode attention mode
 * @param layer from 0
 * @param error |mode's output - dense output| / |dense output| over all queries
 * @param lastError the same over the last 64
 * @param recall share of the attention weights that the mode computes
 */
record LayerRow(
    String docId,
    String contentSha256,
    String mode,
    int layer,
    double error,
    double lastError,
    double recall)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  /** The {@link FidelityRow#key} that this belongs to. */
  String key() {
    return FidelityRow.key(docId, contentSha256, mode);
  }
}
