package io.sparsefill.job.output;

import java.io.Serializable;

/**
 * A document as readers see it: pre-filled (ok or truncated), in its newest content.
 *
 * @param docId its name
 * @param runId the run that pre-filled it; with the name, the key into the other tables
 * @param tokens T
 * @param listedIn path of the documents file that has its row; its wave has its other rows
 */
public record VisibleDocument(String docId, String runId, int tokens, String listedIn)
    implements Serializable {}
