package io.sparsefill.kernels.attention;

import io.sparsefill.kernels.HeadPattern;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Chooses the lines of a vertical-slash head from their scores, as MInference does
 * (minference_forward.py:vertical_and_slash_kernel): the largest scores win, the first 30 columns
 * and the distances 0 to 99 always do, and the sizes are held to at least 30 and 50 and at most T.
 * Of a head with one kind of lines only, the one line of the other kind is a forced one too: column
 * 0, or distance 0.
 *
 * @param verticals chosen key columns, ascending
 * @param distances chosen distances (query minus key), descending, the last one 0
 */
public record LineSelection(int[] verticals, int[] distances) {
  /** Columns that are always chosen, from the first key on (attention sinks). */
  public static final int FORCED_VERTICALS = 30;

  /** Distances that are always chosen, from 0 on. */
  public static final int FORCED_DISTANCES = 100;

  /** Fewer columns than these are raised to them, as far as there are tokens. */
  public static final int SMALLEST_VERTICAL = 30;

  /** Fewer distances than these are raised to them, as far as there are tokens. */
  public static final int SMALLEST_SLASH = 50;

  /**
   * What an index gives to another one: the lines of each head.
   *
   * @param chosen one for each head, null for a head without lines
   * @throws IllegalStateException naming a head without lines
   */
  public static List<HeadPattern.GivenLines> given(List<LineSelection> chosen) {
    List<HeadPattern.GivenLines> given = new ArrayList<>();
    for (LineSelection lines : chosen) {
      if (lines == null) {
        throw new IllegalStateException(
            "Cannot tell the lines of head %d: its pattern has none".formatted(given.size()));
      }
      given.add(new HeadPattern.GivenLines(lines.verticals(), lines.distances()));
    }
    return given;
  }

  /** How many columns a pattern selects among T tokens. */
  public static int verticalCount(HeadPattern.Lines pattern, int tokens) {
    if (pattern instanceof HeadPattern.ChosenLines chosen) {
      return verticalCount(chosen.sizes(), tokens);
    }
    if (pattern instanceof HeadPattern.VerticalSlash both) {
      return Math.min(tokens, Math.max(both.vertical(), SMALLEST_VERTICAL));
    }
    if (pattern instanceof HeadPattern.VerticalOnly only) {
      return Math.min(tokens, Math.max(only.vertical(), SMALLEST_VERTICAL));
    }
    return pattern instanceof HeadPattern.GivenLines given ? given.verticals().length : 1;
  }

  /** How many distances a pattern selects among T tokens; of bands, 64 in each. */
  public static int slashCount(HeadPattern.Lines pattern, int tokens) {
    if (pattern instanceof HeadPattern.ChosenLines chosen) {
      return slashCount(chosen.sizes(), tokens);
    }
    if (pattern instanceof HeadPattern.VerticalSlash both) {
      return Math.min(tokens, Math.max(both.slash(), SMALLEST_SLASH));
    }
    if (pattern instanceof HeadPattern.SlashOnly only) {
      return Math.min(tokens, Math.max(only.slash(), SMALLEST_SLASH));
    }
    return pattern instanceof HeadPattern.GivenLines given ? given.distances().length : 1;
  }

  /** How many distances stand for those: one for each band, or each for itself. */
  public static int distanceCount(HeadPattern.Lines pattern, int tokens) {
    int distances = slashCount(pattern, tokens);
    boolean bands = pattern instanceof HeadPattern.ChosenLines chosen && chosen.choice().bands();
    return bands
        ? Math.min(TileIndex.tiles(tokens), BandSelection.bandCount(distances))
        : distances;
  }

  /**
   * Selects in another way.
   *
   * @param vertical score of each key column [T]
   * @param slash score of each diagonal [T]; index t is distance T - 1 - t
   */
  public static LineSelection of(HeadPattern.ChosenLines pattern, float[] vertical, float[] slash) {
    return pattern.choice().bands()
        ? new BandSelection(vertical, slash).of(pattern.sizes())
        : of((HeadPattern.Lines) pattern.sizes(), vertical, slash);
  }

  /**
   * Selects.
   *
   * @param verticalScores score of each key column [T]
   * @param slashScores score of each diagonal [T]; index t is distance T - 1 - t
   */
  public static LineSelection of(
      HeadPattern.Lines pattern, float[] verticalScores, float[] slashScores) {
    int tokens = verticalScores.length;
    float[] vertical = verticalScores.clone();
    int verticals = verticalCount(pattern, tokens);
    Arrays.fill(vertical, 0, Math.min(FORCED_VERTICALS, verticals), Float.POSITIVE_INFINITY);
    float[] slash = slashScores.clone();
    Arrays.fill(slash, Math.max(0, tokens - FORCED_DISTANCES), tokens, Float.POSITIVE_INFINITY);
    int[] diagonals = TopK.ascending(slash, slashCount(pattern, tokens));
    // Diagonal indices ascend, so the distances that they stand for descend, down to 0: of equal
    // scores, as the forced ones are, the nearest distances win.
    for (int i = 0; i < diagonals.length; i++) {
      diagonals[i] = tokens - 1 - diagonals[i];
    }
    return new LineSelection(TopK.ascending(vertical, verticals), diagonals);
  }
}
