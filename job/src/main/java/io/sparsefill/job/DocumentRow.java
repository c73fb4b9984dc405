package io.sparsefill.job;

import java.io.Serializable;

/**
 * One row of the documents table. Nullable: error, attention, density, prefillSeconds, device (null
 * when no pre-fill ran).
 */
public record DocumentRow(
    String docId,
    String source,
    String contentSha256,
    int tokenCount,
    DocumentStatus status,
    String error,
    String attention,
    Double density,
    Double prefillSeconds,
    String device,
    String fingerprint,
    String runId)
    implements Serializable {}
