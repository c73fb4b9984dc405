package io.sparsefill.udf.search;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/**
 * Shares tiles among heads so that the sum of their errors becomes small: each head has offers of
 * which it takes one, a multiple-choice knapsack. All begin with their cheapest offer; then the
 * step that lowers the error most for each tile is taken, among the steps along the lower convex
 * hulls of the heads' offers, as long as there are tiles (the greedy solution of the relaxed
 * problem: Sinha and Zoltners, The Multiple-Choice Knapsack Problem, 1979). What is left then goes
 * to any offers that it is enough for. So the sum is at most one step above the smallest possible.
 */
final class TileSharing {
  private final List<List<Offer>> heads;
  private final int[] taken;
  private double left;

  /**
   * What a head may take.
   *
   * @param tiles that it computes, in any unit
   * @param error that it has then
   */
  record Offer(double tiles, double error) {}

  /** From what a head has to an offer. */
  private record Step(int head, int offer, double gain) {}

  private TileSharing(List<List<Offer>> heads, double tiles) {
    this.heads = heads;
    this.taken = new int[heads.size()];
    this.left = tiles;
  }

  /** The tiles of all heads if each takes its cheapest offer. */
  static double least(List<List<Offer>> heads) {
    return heads.stream()
        .mapToDouble(head -> head.stream().mapToDouble(Offer::tiles).min().orElseThrow())
        .sum();
  }

  /**
   * Shares.
   *
   * @param heads the offers of each head
   * @param tiles of all heads together, at least {@link #least}
   * @return for each head the number of the offer that it takes
   */
  static int[] of(List<List<Offer>> heads, double tiles) {
    if (!(least(heads) <= tiles)) {
      throw new IllegalArgumentException(
          "Cannot share %s tiles among %d heads: their cheapest offers take %s"
              .formatted(tiles, heads.size(), least(heads)));
    }
    TileSharing sharing = new TileSharing(heads, tiles);
    sharing.takeCheapest();
    sharing.climb();
    sharing.spendTheRest();
    return sharing.taken;
  }

  private void takeCheapest() {
    Comparator<Offer> order =
        Comparator.comparingDouble(Offer::tiles).thenComparingDouble(Offer::error);
    for (int head = 0; head < taken.length; head++) {
      List<Offer> offers = heads.get(head);
      for (int i = 1; i < offers.size(); i++) {
        if (order.compare(offers.get(i), has(head)) < 0) {
          taken[head] = i;
        }
      }
      left -= has(head).tiles();
    }
  }

  private Offer has(int head) {
    return heads.get(head).get(taken[head]);
  }

  private double price(Step step) {
    return heads.get(step.head).get(step.offer).tiles() - has(step.head).tiles();
  }

  private void climb() {
    PriorityQueue<Step> steps =
        new PriorityQueue<>(Comparator.comparingDouble((Step step) -> -step.gain));
    for (int head = 0; head < taken.length; head++) {
      steps.addAll(next(head));
    }
    for (Step step = steps.poll(); step != null; step = steps.poll()) {
      if (price(step) <= left) {
        take(step);
        steps.addAll(next(step.head));
      }
    }
  }

  private void take(Step step) {
    left -= price(step);
    taken[step.head] = step.offer;
  }

  /** The next step along a head's hull, if there is one: that of the largest gain for a tile. */
  private List<Step> next(int head) {
    Offer now = has(head);
    List<Offer> offers = heads.get(head);
    List<Step> best = new ArrayList<>();
    for (int i = 0; i < offers.size(); i++) {
      Offer offer = offers.get(i);
      if (offer.tiles() > now.tiles() && offer.error() < now.error()) {
        double gain = (now.error() - offer.error()) / (offer.tiles() - now.tiles());
        if (best.isEmpty() || gain > best.get(0).gain) {
          best = List.of(new Step(head, i, gain));
        }
      }
    }
    return best;
  }

  private void spendTheRest() {
    for (Step best = largestFall(); best != null; best = largestFall()) {
      take(best);
    }
  }

  /** The offer within reach that lowers the sum most; null if none does. */
  private Step largestFall() {
    Step best = null;
    for (int head = 0; head < taken.length; head++) {
      List<Offer> offers = heads.get(head);
      for (int i = 0; i < offers.size(); i++) {
        Step step = new Step(head, i, has(head).error() - offers.get(i).error());
        if (step.gain > (best == null ? 0 : best.gain) && price(step) <= left) {
          best = step;
        }
      }
    }
    return best;
  }
}
