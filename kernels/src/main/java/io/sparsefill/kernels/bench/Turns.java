package io.sparsefill.kernels.bench;

import java.util.Arrays;
import java.util.List;

/**
 * Times several works in turns, so that a device that drifts drifts for all. A turn repeats its
 * work until it is long enough for the host's clock and waits for the device at its end.
 */
public final class Turns {
  /** Shortest turn. */
  private static final double TURN_SECONDS = 0.02;

  /** Spent on each work beforehand, so that the JVM has compiled what short ones depend on. */
  private static final double WARM_UP_SECONDS = 0.15;

  private Turns() {}

  /**
   * What is timed.
   *
   * @param prepare runs before each turn, untimed
   * @param work runs once or more in a turn
   */
  public record Work(Runnable prepare, Runnable work) {
    /** Work that needs no preparation. */
    public Work(Runnable work) {
      this(() -> {}, work);
    }
  }

  /**
   * Medians of the seconds that each work takes once.
   *
   * @param rounds turns of each work
   * @param settle waits until everything enqueued is done
   */
  public static double[] seconds(int rounds, Runnable settle, List<Work> works) {
    int[] repeats = new int[works.size()];
    for (int i = 0; i < repeats.length; i++) {
      double once = turn(works.get(i), 1, settle);
      for (double spent = once; spent < WARM_UP_SECONDS; spent += once) {
        once = turn(works.get(i), 1, settle);
      }
      repeats[i] = (int) Math.ceil(TURN_SECONDS / once);
    }
    double[][] seconds = new double[works.size()][rounds];
    for (int round = 0; round < rounds; round++) {
      for (int i = 0; i < repeats.length; i++) {
        seconds[i][round] = turn(works.get(i), repeats[i], settle);
      }
    }
    return Arrays.stream(seconds).mapToDouble(Turns::median).toArray();
  }

  private static double turn(Work work, int repeats, Runnable settle) {
    work.prepare().run();
    settle.run();
    long start = System.nanoTime();
    for (int i = 0; i < repeats; i++) {
      work.work().run();
    }
    settle.run();
    return (System.nanoTime() - start) / 1e9 / repeats;
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
}
