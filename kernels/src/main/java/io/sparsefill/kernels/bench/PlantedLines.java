package io.sparsefill.kernels.bench;

import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.attention.LineSelection;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * The lines that a vertical-slash head shall choose, laid out as trained models choose them: half
 * of the distances local, from 0 on, the other half in bursts of 32 at random places; columns at
 * random places behind the ones that are always chosen.
 */
final class PlantedLines {
  /** Distances of a burst. */
  static final int BURST = 32;

  /** Queries that lines are estimated from. */
  static final int LAST_QUERIES = 64;

  private PlantedLines() {}

  /**
   * Lines of one head.
   *
   * @param tokens T, at least 128
   * @param seed another seed gives other places
   */
  static LineSelection of(HeadPattern.VerticalSlash pattern, int tokens, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    return new LineSelection(
        columns(LineSelection.verticalCount(pattern, tokens), tokens, random),
        distances(LineSelection.slashCount(pattern, tokens), tokens, random));
  }

  private static int[] columns(int count, int tokens, SplittableRandom random) {
    boolean[] chosen = new boolean[tokens];
    Arrays.fill(chosen, 0, LineSelection.FORCED_VERTICALS, true);
    // Every one of the last queries sees a planted column, or the local ones would outweigh it.
    int end = Math.max(count, tokens - LAST_QUERIES);
    for (int left = count - LineSelection.FORCED_VERTICALS; left > 0; ) {
      int column = random.nextInt(end);
      left -= chosen[column] ? 0 : 1;
      chosen[column] = true;
    }
    return IntStream.range(0, tokens).filter(key -> chosen[key]).toArray();
  }

  private static int[] distances(int count, int tokens, SplittableRandom random) {
    boolean[] chosen = new boolean[tokens];
    int local = Math.min(count, Math.max(LineSelection.FORCED_DISTANCES, count / 2));
    int room = tokens - LAST_QUERIES - local;
    int bursts = Math.min((count - local + BURST - 1) / BURST, Math.max(0, room / BURST));
    int left = count - local;
    if (bursts > 0) {
      // With room enough, bursts do not touch.
      int slot = Math.min(2 * BURST, room / bursts);
      int[] places = IntStream.range(0, room / slot).toArray();
      for (int i = 0; i < bursts; i++) {
        int other = random.nextInt(i, places.length);
        int place = places[other];
        places[other] = places[i];
        int first = local + place * slot + random.nextInt(slot - BURST + 1);
        int width = Math.min(BURST, left);
        Arrays.fill(chosen, first, first + width, true);
        left -= width;
      }
    }
    // What found no place in bursts is local.
    for (int distance = 0; left + local > 0; distance++) {
      if (!chosen[distance]) {
        chosen[distance] = true;
        left--;
      }
    }
    return IntStream.iterate(tokens - 1, d -> d >= 0, d -> d - 1).filter(d -> chosen[d]).toArray();
  }

  /** What the distances are made of, such as {@code 3048 local, 96 bursts, longest 32}. */
  static String describe(LineSelection lines) {
    int[] distances = lines.distances();
    int local = 0;
    int bursts = 0;
    int longest = 0;
    int end = distances.length - 1;
    while (end >= 0) {
      int first = end;
      while (first > 0 && distances[first - 1] == distances[first] + 1) {
        first--;
      }
      int width = end - first + 1;
      if (distances[end] == 0) {
        local = width;
      } else {
        bursts++;
        longest = Math.max(longest, width);
      }
      end = first - 1;
    }
    return "%,d local, %d bursts, longest %d".formatted(local, bursts, longest);
  }
}
