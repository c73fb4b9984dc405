package io.sparsefill.job;

import java.io.Serializable;

/**
 * What is asked about a document, after tokenising.
 *
 * @param text as it was read
 * @param tokenIds what follows the document's tokens, without special tokens around it
 */
@SuppressWarnings("ArrayRecordComponent") // carried through a shuffle, never compared
public record Question(String text, int[] tokenIds) implements Serializable {}
