package io.sparsefill.kernels.attention;

import io.sparsefill.kernels.AttentionShape;
import java.util.ArrayList;
import java.util.List;

/**
 * Rows that follow each other, whose attention lines are chosen by.
 *
 * @param first the first of them
 * @param count how many, at most 64
 */
public record ProbeRows(int first, int count) {
  /** Rows at the document's end that every choice looks at. */
  public static final int LAST = 64;

  private static final int GROUPS = 8;

  /** The last rows of a document. */
  public static ProbeRows last(int tokens) {
    int count = Math.min(LAST, tokens);
    return new ProbeRows(tokens - count, count);
  }

  /**
   * Rows before the last ones: eight groups, each in the middle of an eighth of the document. Short
   * documents have fewer.
   *
   * @param probes how many in all
   */
  public static List<ProbeRows> along(AttentionShape shape, int probes) {
    int before = last(shape.tokens()).first();
    List<ProbeRows> groups = new ArrayList<>();
    for (int g = 0; g < GROUPS; g++) {
      int from = (int) ((long) before * g / GROUPS);
      int end = (int) ((long) before * (g + 1) / GROUPS);
      int count = Math.min(end - from, probes * (g + 1) / GROUPS - probes * g / GROUPS);
      if (count > 0) {
        groups.add(new ProbeRows(from + (end - from - count) / 2, count));
      }
    }
    return groups;
  }
}
