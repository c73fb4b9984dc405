package io.sparsefill.kernels;

import java.io.Serializable;

/**
 * How the lines of a vertical-slash head are chosen, where it is not as MInference does. In all of
 * these a line's score is the mean weight that rows give to it, and what the lines hold that are
 * always chosen does not count for the other kind: neither the last distances for columns, nor the
 * first columns, where the attention sink is, for diagonals.
 *
 * @param probes rows along the document, besides the last 64, that the lines are chosen by; 0 for
 *     none
 * @param bands whether diagonals are chosen in bands of 64, of which each query tile computes one
 *     aligned key tile, instead of one by one
 */
public record LineChoice(int probes, boolean bands) implements Serializable {
  /** The most rows along the document. */
  public static final int MOST_PROBES = 512;

  /** As MInference chooses. */
  public static final LineChoice LAST_QUERIES = new LineChoice(0, false);

  /** Checks the number. */
  public LineChoice {
    if (probes < 0 || probes > MOST_PROBES) {
      throw new IllegalArgumentException(
          "Cannot choose lines by %d rows along the document: there must be 0 to %d"
              .formatted(probes, MOST_PROBES));
    }
  }
}
