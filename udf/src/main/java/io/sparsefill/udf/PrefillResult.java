package io.sparsefill.udf;

/**
 * What one pre-fill leaves besides its KV blocks; arrays are null when they were not asked for.
 *
 * @param tokenCount T
 * @param lastLogits logits at the last positions, first of them first [min(N, T)][V], or null; N is
 *     {@link EngineOptions#lastPositions()}
 * @param tokenNll negative log-likelihood (nats) of token t + 1 at index t [T-1], or null
 * @param lastHidden hidden state of the last token after the final norm, or null
 * @param attention what ran, for example {@code minference: 40 of 48 heads sparse}
 * @param density score tiles computed / causal tiles, over all heads and layers whose attention
 *     ran; 1 when none did
 * @param attentionSeconds wall time inside attention (index building and the attention operator)
 * @param seconds wall time of the whole pre-fill, including the wait for the sink
 * @param device the backend's description
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier of results, never compared
public record PrefillResult(
    int tokenCount,
    float[][] lastLogits,
    float[] tokenNll,
    float[] lastHidden,
    String attention,
    double density,
    double attentionSeconds,
    double seconds,
    String device) {
  /** Mean of {@code tokenNll} in nats; NaN for a document of one token. */
  public double meanNll() {
    double sum = 0;
    for (float nll : tokenNll) {
      sum += nll;
    }
    return tokenNll.length == 0 ? Double.NaN : sum / tokenNll.length;
  }
}
