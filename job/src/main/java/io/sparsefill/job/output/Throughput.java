package io.sparsefill.job.output;

import io.sparsefill.job.CostFit;
import java.util.List;
import java.util.Map;

/**
 * How a run's time went, up to its newest wave: what its documents cost, for the next run's plan,
 * and how much of their time its engines computed.
 *
 * @param costs one for each kind of device and its settings; empty when no document was pre-filled
 * @param prefillSeconds inside pre-fills, summed over tasks
 * @param heldBackSeconds in which rows waited for others to be written, summed over tasks; most of
 *     it is inside pre-fills, so it bounds how long a slow disk kept engines from computing
 * @param taskSeconds from each task's start to its end, summed over tasks
 * @param slotSeconds wall time from the first wave's beginning to the newest commit, times the
 *     documents that can be pre-filled at once: one for each task, or fewer where they share a GPU
 * @param readingSeconds wall time of reading and tokenising before the first wave, times the same;
 *     what is read beside waves is not in it
 */
public record Throughput(
    List<Measured> costs,
    double prefillSeconds,
    double heldBackSeconds,
    double taskSeconds,
    double slotSeconds,
    double readingSeconds) {
  /** Copies the list. */
  public Throughput {
    costs = List.copyOf(costs);
  }

  /**
   * What documents cost under certain conditions. Model, attention, outputs and dtype are not among
   * them: they are in the folder's identity, and the same for all its runs.
   *
   * @param conditions names and values of what decides the speed but not the numbers; the device is
   *     {@link #DEVICE}
   * @param fit to the documents of one run
   */
  public record Measured(Map<String, String> conditions, CostFit fit) {
    /** Name of the device among the conditions. */
    public static final String DEVICE = "device";

    /** Copies the map. */
    public Measured {
      conditions = Map.copyOf(conditions);
    }
  }

  /**
   * Share of the tasks' time in which no pre-fill ran: engines opening, waiting for a document,
   * writing the last rows; 0 before the first task.
   */
  public double idleInTasks() {
    return taskSeconds > 0 ? 1 - prefillSeconds / taskSeconds : 0;
  }

  /**
   * Share of the engines' time, from the beginning of reading, in which no pre-fill ran: that of
   * the tasks, that of slots without a task, such as at the end of the last wave or while documents
   * are not read fast enough, and reading before the first wave; 0 before that.
   */
  public double idle() {
    double all = slotSeconds + readingSeconds;
    return all > 0 ? 1 - prefillSeconds / all : 0;
  }
}
