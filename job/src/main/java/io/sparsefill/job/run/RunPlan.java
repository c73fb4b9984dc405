package io.sparsefill.job.run;

import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.DocumentSummary;
import io.sparsefill.job.PlannedWave;
import io.sparsefill.udf.BackendChoice;
import java.util.List;

/**
 * What a run would do.
 *
 * @param documents all of the input, in source order
 * @param waves those to pre-fill, packed
 * @param slots tasks at a time
 * @param backend what computes, and why
 * @param longest the longest of the documents to pre-fill, or null when there is none
 * @param basis what the predicted seconds rest on
 * @param kvBytes keys and values before compression; 0 when they are not emitted
 * @param logitsBytes whole rows of logits before compression; 0 without {@code --full-logits}
 */
public record RunPlan(
    List<DocumentSummary> documents,
    List<PlannedWave> waves,
    int slots,
    BackendChoice backend,
    LongestDocument longest,
    String basis,
    long kvBytes,
    long logitsBytes) {

  /** Documents to pre-fill. */
  public long toPrefill() {
    return documents.stream().filter(DocumentSummary::isToPrefill).count();
  }

  /** Documents that the output folder already has. */
  public long done() {
    return documents.stream().filter(DocumentSummary::isDone).count();
  }

  /** Documents of a status. */
  public long count(DocumentStatus status) {
    return documents.stream().filter(document -> document.status() == status).count();
  }

  /** Tokens to pre-fill. */
  public long tokens() {
    return waves.stream().mapToLong(PlannedWave::tokens).sum();
  }

  /** Predicted seconds of all waves. */
  public double seconds() {
    return waves.stream().mapToDouble(PlannedWave::seconds).sum();
  }
}
