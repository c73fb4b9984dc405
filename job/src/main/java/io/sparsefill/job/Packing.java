package io.sparsefill.job;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/**
 * Plans which task pre-fills which document, and when: the third step. Deterministic: the same
 * documents give the same plan in whatever order they come.
 */
public final class Packing {
  /** A wave of fewer rounds of documents than this is tried at several lengths. */
  private static final int FEW_ROUNDS = 16;

  /** A rest smaller than this share of a wave is not worth a wave of its own. */
  private static final double SMALL_REST = 0.25;

  private Packing() {}

  /**
   * Plans waves of about {@code waveSeconds}, the longest documents first, because then documents
   * of a wave are alike and its slots end together. A wave with a document longer than {@code
   * waveSeconds} is as long as that document, and filled up with others accordingly.
   *
   * @param documents what is to be pre-filled; others are left out
   * @param slots how many tasks run at a time
   * @param binsPerSlot 1 trusts the prediction; more tasks than slots even out what it misses, at
   *     the price of more and smaller files
   * @param waveSeconds how much predicted time a crash may cost
   */
  public static List<PlannedWave> waves(
      List<DocumentSummary> documents,
      CostModel cost,
      int slots,
      int binsPerSlot,
      double waveSeconds) {
    if (slots < 1 || binsPerSlot < 1 || !(waveSeconds > 0)) {
      throw new IllegalArgumentException(
          "Cannot plan waves of %g s with %d slots and %d bins per slot; all must be positive"
              .formatted(waveSeconds, slots, binsPerSlot));
    }
    List<DocumentSummary> sorted =
        longestFirst(documents.stream().filter(DocumentSummary::isToPrefill).toList(), cost);
    double[] costs = sorted.stream().mapToDouble(cost::seconds).toArray();
    List<PlannedWave> waves = new ArrayList<>();
    int from = 0;
    while (from < sorted.size()) {
      int to = waveEnd(costs, from, slots, waveSeconds);
      waves.add(wave(sorted.subList(from, to), cost, slots, binsPerSlot));
      from = to;
    }
    return waves;
  }

  /** Seconds from start to end when slots take the costs in order, each as soon as it is free. */
  static double makespan(double[] costs, int slots) {
    PriorityQueue<Double> free = new PriorityQueue<>();
    double end = 0;
    for (double cost : costs) {
      double start = free.size() < slots ? 0 : free.remove();
      free.add(start + cost);
      end = Math.max(end, start + cost);
    }
    return end;
  }

  private static List<DocumentSummary> longestFirst(
      List<DocumentSummary> documents, CostModel cost) {
    List<DocumentSummary> sorted = new ArrayList<>(documents);
    sorted.sort(
        Comparator.comparingDouble((DocumentSummary d) -> -cost.seconds(d))
            .thenComparing(DocumentSummary::docId)
            .thenComparing(DocumentSummary::source));
    return sorted;
  }

  /**
   * Spreads documents over bins of about equal predicted time: the longest first, each into the bin
   * with the least so far (LPT; at most 4/3 of the best possible longest bin, Graham 1969).
   *
   * @param bins how many at most; there are no empty ones
   * @return heaviest first, in each the longest document first
   */
  private static List<Bin> bins(List<DocumentSummary> sorted, CostModel cost, int bins) {
    List<OpenBin> open = new ArrayList<>();
    PriorityQueue<OpenBin> lightest =
        new PriorityQueue<>(
            Comparator.comparingDouble((OpenBin bin) -> bin.seconds)
                .thenComparingInt(bin -> bin.index));
    for (DocumentSummary document : sorted) {
      OpenBin bin;
      if (open.size() < bins) {
        bin = new OpenBin(open.size());
        open.add(bin);
      } else {
        bin = lightest.remove();
      }
      bin.documents.add(document);
      bin.seconds += cost.seconds(document);
      lightest.add(bin);
    }
    open.sort(
        Comparator.comparingDouble((OpenBin bin) -> -bin.seconds)
            .thenComparingInt(bin -> bin.index));
    return open.stream().map(bin -> new Bin(bin.documents, bin.seconds)).toList();
  }

  private static final class OpenBin {
    final int index;
    final List<DocumentSummary> documents = new ArrayList<>();
    double seconds;

    OpenBin(int index) {
      this.index = index;
    }
  }

  /**
   * Cuts what each slot has to do into bins. Equal bins over all slots would not do: beside one
   * document that fills a slot, four bins for each of the others leave a fifth round.
   */
  private static PlannedWave wave(
      List<DocumentSummary> sorted, CostModel cost, int slots, int binsPerSlot) {
    List<Bin> bins = new ArrayList<>();
    for (Bin slot : bins(sorted, cost, slots)) {
      double share = slot.seconds() / binsPerSlot;
      int from = 0;
      double seconds = 0;
      for (int i = 0; i < slot.documents().size(); i++) {
        seconds += cost.seconds(slot.documents().get(i));
        // The last bin of a slot ends with it; before, rounding must not leave crumbs.
        boolean last = i == slot.documents().size() - 1;
        if (last || seconds >= share * (1 - 1e-9)) {
          bins.add(new Bin(slot.documents().subList(from, i + 1), seconds));
          from = i + 1;
          seconds = 0;
        }
      }
    }
    bins.sort(Comparator.comparingDouble((Bin bin) -> -bin.seconds())); // stable
    double[] seconds = bins.stream().mapToDouble(Bin::seconds).toArray();
    return new PlannedWave(bins, makespan(seconds, slots));
  }

  /**
   * The index after the last document of the wave that begins at {@code from}.
   *
   * @param costs seconds of all documents, descending
   */
  private static int waveEnd(double[] costs, int from, int slots, double waveSeconds) {
    double budget = Math.max(waveSeconds, costs[from]) * slots;
    int end = from;
    double total = 0;
    while (end < costs.length && total < budget) {
      total += costs[end++];
    }
    if (isSmall(costs, end, SMALL_REST * budget)) {
      return costs.length;
    }
    if (end - from >= FEW_ROUNDS * slots) {
      return end;
    }
    // One round and a half of equal documents would leave half of the slots idle at the end.
    int best = end;
    double bestUse = 0;
    int last = Math.min(costs.length, end + slots);
    for (int i = end; i <= last; i += Math.max(1, slots / 8)) {
      double[] wave = Arrays.copyOfRange(costs, from, i);
      double use = Arrays.stream(wave).sum() / (slots * makespan(wave, slots));
      if (use > bestUse + 1e-9) {
        best = i;
        bestUse = use;
      }
    }
    return best;
  }

  private static boolean isSmall(double[] costs, int from, double limit) {
    double rest = 0;
    for (int i = from; i < costs.length && rest < limit; i++) {
      rest += costs[i];
    }
    return rest < limit;
  }
}
