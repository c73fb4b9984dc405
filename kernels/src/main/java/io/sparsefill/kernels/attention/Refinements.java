package io.sparsefill.kernels.attention;

import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.LineChoice;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Reads what follows a word of {@code --attention}, each behind a plus ({@link Refinement}). */
final class Refinements {
  private Refinements() {}

  /**
   * Reads them.
   *
   * @param words what stands between the pluses, behind the mode
   * @throws IllegalArgumentException saying what is wrong, without what it belongs to
   */
  static LineChoice parse(List<String> words) {
    Set<String> seen = new HashSet<>();
    boolean bands = false;
    int probes = 0;
    for (String word : words) {
      String name = word.split(":", -1)[0];
      if (!seen.add(name)) {
        throw new IllegalArgumentException("+" + name + " is there twice");
      }
      if (word.matches("probes:\\d{1,3}")) {
        probes = Integer.parseInt(word.substring(name.length() + 1));
        if (probes < 1 || probes > LineChoice.MOST_PROBES) {
          throw new IllegalArgumentException(
              "there are 1 to %d probes, not %d".formatted(LineChoice.MOST_PROBES, probes));
        }
      } else if (word.equals("bands")) {
        bands = true;
      } else {
        throw new IllegalArgumentException(
            "'+%s' is none of %s".formatted(word, Refinement.accepted()));
      }
    }
    return new LineChoice(probes, bands);
  }

  /** A head's pattern with its lines chosen that way, if they are those of vertical-slash. */
  static HeadPattern apply(LineChoice choice, HeadPattern pattern) {
    return pattern instanceof HeadPattern.VerticalSlash sizes
        ? new HeadPattern.ChosenLines(sizes, choice)
        : pattern;
  }
}
