package io.sparsefill.job;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Decides what is pre-filled next, out of the documents that are known so far, and when. A wave
 * begins when every bin of those before has a slot: as late as it can without a slot running dry,
 * because the later, the more documents are known, and the longest of them go first.
 *
 * <p>It knows of nothing but documents and predicted seconds, so that a simulation can hold it
 * against the least time that documents take.
 */
public final class Schedule {
  /**
   * Tasks per slot and wave once everything is known. With four, a run whose predictions are 20 %
   * wrong ends 5.0 % after the least possible instead of 11.5 % in ScheduleTest's hardest case (one
   * wave), but one that is predicted rightly up to 3.8 % late instead of 1.4 % in a wave; and at
   * each task's end the engine waits until the last rows are written, into files that are a quarter
   * as large. Costs are fitted to measured seconds from the first wave on, so predictions are
   * trusted.
   */
  private static final int BINS_PER_SLOT = 1;

  /**
   * While documents are still being read, the last bins of a wave are begun when about a quarter of
   * it is left: enough to lay out the next.
   */
  private static final int BINS_WHILE_READING = 4;

  /** Waves that a crash may cost. */
  private static final int UNDER_WAY = 2;

  private final double waveSeconds;
  private final Map<String, DocumentSummary> left = new LinkedHashMap<>(); // by source
  private List<PlannedWave> plan = List.of();
  private int next;
  private boolean whole;

  /**
   * A wave that begins.
   *
   * @param plan the waves that are laid out together; the same list until the plan changes
   * @param index of the wave in it
   */
  public record Step(List<PlannedWave> plan, int index) {
    /** The wave. */
    public PlannedWave wave() {
      return plan.get(index);
    }
  }

  /**
   * Of no documents yet.
   *
   * @param waveSeconds see {@link Packing#waves}
   */
  public Schedule(double waveSeconds) {
    this.waveSeconds = waveSeconds;
  }

  /** The waves of documents that are all known before the first one begins. */
  public static List<PlannedWave> of(
      List<DocumentSummary> documents, CostModel cost, int slots, double waveSeconds) {
    return Packing.waves(documents, cost, slots, BINS_PER_SLOT, waveSeconds);
  }

  /**
   * Adds documents that have become known; those that are not to be pre-filled are left out.
   *
   * @param last whether there are no more
   */
  public void add(List<DocumentSummary> documents, boolean last) {
    for (DocumentSummary document : documents) {
      if (document.isToPrefill()) {
        left.put(document.source(), document);
      }
    }
    whole |= last;
    planAnew();
  }

  /** Plans what is left anew, because costs have turned out otherwise. */
  public void planAnew() {
    plan = List.of();
    next = 0;
  }

  /**
   * Begins a wave.
   *
   * @param cost as far as it is known
   * @param slots how many tasks pre-fill at a time
   * @param underWay the waves that have begun and are not committed
   * @param binsWait whether a bin of those waits for a slot
   * @return empty if there is none, or it is better to wait
   */
  public Optional<Step> begin(
      CostModel cost, int slots, Collection<PlannedWave> underWay, boolean binsWait) {
    if (left.isEmpty() || binsWait) {
      return Optional.empty();
    }
    if (next == plan.size()) {
      plan = plan(cost, slots);
      next = 0;
    }
    PlannedWave wave = plan.get(next);
    // Of small waves there may be more, so that one long document holds nobody up.
    double work = work(wave) + underWay.stream().mapToDouble(Schedule::work).sum();
    if (underWay.size() >= UNDER_WAY && work > UNDER_WAY * waveSeconds * slots) {
      return Optional.empty();
    }
    for (Bin bin : wave.bins()) {
      bin.documents().forEach(document -> left.remove(document.source()));
    }
    return Optional.of(new Step(plan, next++));
  }

  /** All waves, or as long as there are more documents to come, one. */
  private List<PlannedWave> plan(CostModel cost, int slots) {
    List<DocumentSummary> known = List.copyOf(left.values());
    return whole
        ? of(known, cost, slots, waveSeconds)
        : Packing.waves(known, cost, slots, BINS_WHILE_READING, waveSeconds).subList(0, 1);
  }

  private static double work(PlannedWave wave) {
    return wave.bins().stream().mapToDouble(Bin::seconds).sum();
  }
}
