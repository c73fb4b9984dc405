package io.sparsefill.job;

import java.io.Serializable;

/**
 * A document after tokenising.
 *
 * @param docId unique name within a run
 * @param source where it came from
 * @param contentSha256 of its content, see {@link Document}
 * @param tokenIds what is pre-filled; empty for {@code SKIPPED} and {@code FAILED}
 * @param status {@code OK} and {@code TRUNCATED} are pre-filled, the others only get their row
 * @param error why it failed, was skipped or was cut, or null
 * @param question what is asked about it, or null
 */
@SuppressWarnings("ArrayRecordComponent") // carried through a shuffle, never compared
public record TokenizedDocument(
    String docId,
    String source,
    String contentSha256,
    int[] tokenIds,
    DocumentStatus status,
    String error,
    Question question)
    implements Serializable {}
