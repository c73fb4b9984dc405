package io.sparsefill.job;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.PriorityQueue;
import java.util.function.ToDoubleFunction;

/**
 * A run on a cluster in simulated time, by the real {@link Sections}, {@link Schedule} and {@link
 * Packing}: documents become known section by section, Spark gives each bin in the order of waves
 * to the slot that is free first, and waves are committed in their order.
 *
 * @param slots engines
 * @param cores of each engine's share of an executor
 * @param tokensPerSecond that one core reads and tokenises
 * @param real seconds of a document, which the plan does not know
 */
record ClusterSimulation(
    int slots,
    int cores,
    double tokensPerSecond,
    CostModel cost,
    double waveSeconds,
    ToDoubleFunction<DocumentSummary> real) {
  /** What a Spark job costs before its first task runs. */
  private static final double JOB_SECONDS = 0.1;

  /** What a task costs besides its work. */
  private static final double TASK_SECONDS = 0.01;

  /**
   * How a run went.
   *
   * @param seconds from the beginning of reading to the last commit
   * @param waves number of waves
   * @param firstWave when it began
   * @param idle share of the slots' time, from the beginning, in which no document was pre-filled
   */
  record Result(double seconds, int waves, double firstWave, double idle) {}

  private record RunningBin(double end, int wave) {}

  private record ReadyBin(double ready, int wave, double seconds) {}

  Result run(List<DocumentSummary> documents) {
    return new Events(documents).run();
  }

  /** One run. */
  private final class Events {
    private final List<List<DocumentSummary>> partitions;
    private final Sections sections;
    private final Schedule schedule = new Schedule(waveSeconds);
    private final List<PlannedWave> planned = new ArrayList<>(); // not committed
    private final List<Integer> openBins = new ArrayList<>(); // of every wave
    private final Deque<ReadyBin> queue = new ArrayDeque<>();
    private final PriorityQueue<RunningBin> running =
        new PriorityQueue<>(Comparator.comparingDouble(RunningBin::end));
    private double now;
    private double firstWave = -1;
    private int committed;
    private Sections.Known known = Sections.Known.NONE;
    private int sectionEnd = -1; // none under way
    private double sectionArrives;
    private double sectionSeconds;

    Events(List<DocumentSummary> documents) {
      partitions = partitions(documents, SourceOrder.TASKS_PER_CORE * cores * slots);
      int beside = cores / 4 * slots;
      sections = new Sections(partitions.size(), cores * slots, beside, slots);
    }

    Result run() {
      double busy = 0;
      while (true) {
        if (sectionEnd >= 0 && sectionArrives <= now) {
          take();
        }
        while (!planned.isEmpty() && openBins.get(committed) == 0) {
          planned.remove(0);
          committed++;
        }
        if (firstWave < 0 && sectionEnd < 0) {
          int end = sections.endFirst(known);
          if (end > known.partitions()) {
            read(end, cores * slots);
          }
        }
        if (firstWave >= 0 || sectionEnd < 0) {
          beginWaves();
          if (sectionEnd < 0 && known.partitions() < partitions.size()) {
            boolean prefilling = !planned.isEmpty();
            read(
                sections.endNext(known.partitions(), prefilling),
                prefilling ? cores / 4 * slots : cores * slots);
          }
        }
        while (running.size() < slots && !queue.isEmpty() && queue.peek().ready() <= now) {
          ReadyBin bin = queue.remove();
          busy += bin.seconds();
          running.add(new RunningBin(now + bin.seconds(), bin.wave()));
          beginWaves();
        }
        double next = next();
        if (next == Double.POSITIVE_INFINITY) {
          return new Result(now, committed, firstWave, 1 - busy / (slots * now));
        }
        now = next;
        while (!running.isEmpty() && running.peek().end() <= now) {
          int wave = running.remove().wave();
          openBins.set(wave, openBins.get(wave) - 1);
        }
      }
    }

    private double next() {
      double next = Double.POSITIVE_INFINITY;
      if (sectionEnd >= 0) {
        next = sectionArrives;
      }
      if (!running.isEmpty()) {
        next = Math.min(next, running.peek().end());
      }
      if (running.size() < slots && !queue.isEmpty()) {
        next = Math.min(next, queue.peek().ready());
      }
      return next;
    }

    private void beginWaves() {
      for (var step = schedule.begin(cost, slots, planned, !queue.isEmpty());
          step.isPresent();
          step = schedule.begin(cost, slots, planned, !queue.isEmpty())) {
        PlannedWave wave = step.get().wave();
        if (firstWave < 0) {
          firstWave = now;
        }
        for (Bin bin : wave.bins()) {
          double seconds = bin.documents().stream().mapToDouble(real).sum();
          queue.add(new ReadyBin(now + JOB_SECONDS, openBins.size(), TASK_SECONDS + seconds));
        }
        openBins.add(wave.bins().size());
        planned.add(wave);
      }
    }

    private void take() {
      List<DocumentSummary> documents =
          partitions.subList(known.partitions(), sectionEnd).stream()
              .flatMap(List::stream)
              .toList();
      known = known.plus(sectionEnd - known.partitions(), documents, sectionSeconds);
      schedule.add(documents, sectionEnd == partitions.size());
      sectionEnd = -1;
    }

    /** Reads on: partitions go to tasks in order when all cores are free, else in equal groups. */
    private void read(int end, int tasks) {
      int count = end - known.partitions();
      double longest = 0;
      PriorityQueue<Double> free = new PriorityQueue<>();
      double[] group = new double[Math.min(tasks, count)];
      for (int i = 0; i < count; i++) {
        double seconds =
            TASK_SECONDS
                + partitions.get(known.partitions() + i).stream()
                        .mapToLong(DocumentSummary::tokenCount)
                        .sum()
                    / tokensPerSecond;
        if (tasks == cores * slots) {
          double ended = (free.size() < tasks ? 0 : free.remove()) + seconds;
          free.add(ended);
          longest = Math.max(longest, ended);
        } else {
          int g = (int) ((long) i * group.length / count);
          group[g] += seconds;
          longest = Math.max(longest, group[g]);
        }
      }
      sectionEnd = end;
      sectionSeconds = JOB_SECONDS + longest;
      sectionArrives = now + sectionSeconds;
    }

    private static List<List<DocumentSummary>> partitions(
        List<DocumentSummary> documents, int most) {
      long all = documents.stream().mapToLong(DocumentSummary::tokenCount).sum();
      long share = Math.max(1, all / most);
      List<List<DocumentSummary>> partitions = new ArrayList<>();
      List<DocumentSummary> group = new ArrayList<>();
      long weight = 0;
      for (DocumentSummary document : documents) {
        group.add(document);
        weight += document.tokenCount();
        if (weight >= share) {
          partitions.add(List.copyOf(group));
          group.clear();
          weight = 0;
        }
      }
      if (!group.isEmpty()) {
        partitions.add(List.copyOf(group));
      }
      return partitions;
    }
  }
}
