package io.sparsefill.job;

import java.util.List;

/**
 * How much of the input is read and tokenised at a time: first, with all cores, what engines need
 * to begin, and more as long as that costs them little, because the more documents are known, the
 * better they are packed; the rest while engines pre-fill, on the cores that those leave.
 *
 * @param partitions all of the input
 * @param atOnce reading tasks that fill all cores
 * @param beside reading tasks for which pre-fills leave room; 0 when they leave none, and sections
 *     would only take turns with waves
 * @param slots engines
 */
public record Sections(int partitions, int atOnce, int beside, int slots) {
  /** An input of fewer rounds of reading tasks is read at once. */
  private static final int MANY_ROUNDS = 8;

  /**
   * An engine's share of the documents is at least so many of the longest; else they are packed
   * well only if all are known.
   */
  private static final double MANY_DOCUMENTS = 20;

  /** What engines may be kept waiting at first, of the least time that they pre-fill. */
  private static final double SHARE = 0.02;

  /** Tokens per second of a fast engine; that of 8 billion weights on an H200 makes 33,000. */
  private static final double FAST_ENGINE = 50_000;

  /** Partitions of a task beside pre-fills; between two sections a wave can be laid out. */
  private static final int MOST_BESIDE = 4;

  /**
   * What has been read.
   *
   * @param partitions of the input
   * @param tokens to be pre-filled in them
   * @param longest tokens of the longest document
   * @param seconds that it took
   */
  public record Known(int partitions, long tokens, int longest, double seconds) {
    /** Nothing. */
    public static final Known NONE = new Known(0, 0, 0, 0);

    /** With one section more. */
    public Known plus(int read, List<DocumentSummary> documents, double took) {
      return new Known(
          partitions + read,
          tokens + documents.stream().mapToLong(DocumentSummary::tokenCount).sum(),
          Math.max(
              longest, documents.stream().mapToInt(DocumentSummary::tokenCount).max().orElse(0)),
          seconds + took);
    }
  }

  /**
   * Where the section ends that is read before the first wave.
   *
   * @return the first partition after it; as many as are known when the first wave may begin
   */
  public int endFirst(Known known) {
    if (beside == 0 || partitions <= MANY_ROUNDS * atOnce) {
      return partitions;
    }
    if (known.partitions() == 0) {
      return atOnce;
    }
    if (known.tokens() == 0) { // failed, or done before: engines cannot begin
      return rounded(2L * known.partitions());
    }
    double share = (double) known.tokens() / known.partitions() * partitions / slots;
    if (share < MANY_DOCUMENTS * known.longest()) {
      return partitions;
    }
    double budget = SHARE * share / FAST_ENGINE;
    double end = known.partitions() * budget / known.seconds();
    return end < 1.5 * known.partitions() ? known.partitions() : rounded((long) end);
  }

  /**
   * Where the next section ends once waves have begun.
   *
   * @param known partitions read so far
   * @param prefilling whether engines are at work; if not, they wait for this section
   */
  public int endNext(int known, boolean prefilling) {
    if (beside == 0) {
      return partitions;
    }
    int size = prefilling ? Math.min(known / 2, MOST_BESIDE * beside) : atOnce;
    return rounded((long) known + Math.max(beside, size));
  }

  /** A small rest comes along. */
  private int rounded(long end) {
    return end >= partitions - end / 8 ? partitions : (int) end;
  }
}
