package io.sparsefill.job.export;

/**
 * A chain of hashes over a document's tokens, by which an engine names the pieces of a cache: the
 * hash of a piece depends on all tokens before it, so equal names mean equal prefixes.
 */
sealed interface PrefixHash permits Sha256Cbor, Blake3Tokens, Sha256Tokens {
  /** What stands for the hash before the first piece. */
  byte[] start();

  /**
   * The hash of a piece.
   *
   * @param parent hash of the piece before it, or {@link #start()}
   * @param tokens ids of the document; not negative
   * @param from first token of the piece
   * @param to one past its last token
   */
  byte[] next(byte[] parent, int[] tokens, int from, int to);
}
