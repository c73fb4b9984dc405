package io.sparsefill.job;

/**
 * One row of the logits table: one of the last positions of a document. Nullable: the top arrays
 * (only with {@code --emit logits}), logits (only with {@code --full-logits}), nll, perplexity,
 * tokenNll and hidden (only on the last position's row, when asked for).
 *
 * @param position 0-based token position whose next-token distribution this is
 * @param topIds ids of the most likely next tokens, best first
 * @param topTokens their text
 * @param topLogprobs their natural-log probabilities
 * @param logits the whole row as little-endian fp32 [V]
 */
@SuppressWarnings("ArrayRecordComponent") // written once, never compared
public record LogitsRow(
    String docId,
    int position,
    int[] topIds,
    String[] topTokens,
    double[] topLogprobs,
    byte[] logits,
    Double nll,
    Double perplexity,
    float[] tokenNll,
    float[] hidden) {}
