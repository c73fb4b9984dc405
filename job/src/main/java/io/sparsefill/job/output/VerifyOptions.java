package io.sparsefill.job.output;

/**
 * How a run is verified.
 *
 * @param sampleDocuments how many documents are pre-filled again and compared; 0 for none
 * @param seed chooses the sample
 * @param exact whether every KV block of the sample must have the same bytes, as on the same device
 *     and version
 * @param tolerance otherwise, the largest relative difference (Frobenius norm) of a layer's keys or
 *     values
 * @param logTolerance the largest difference of log-probabilities, in nats
 * @param listed how many problems of each check are listed; all are counted
 */
public record VerifyOptions(
    int sampleDocuments,
    long seed,
    boolean exact,
    double tolerance,
    double logTolerance,
    int listed) {
  /** Everything that can be checked without a model, plus this many documents pre-filled again. */
  public static VerifyOptions sample(int documents) {
    return new VerifyOptions(documents, 1, false, 1e-2, 0.05, 20);
  }
}
