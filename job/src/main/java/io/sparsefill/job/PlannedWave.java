package io.sparsefill.job;

import java.util.List;

/**
 * What is pre-filled between two commits: one Spark job, each bin one of its tasks.
 *
 * @param bins heaviest first
 * @param seconds predicted, from the first task's start to the last one's end
 */
public record PlannedWave(List<Bin> bins, double seconds) {
  /** Copies the list. */
  public PlannedWave {
    bins = List.copyOf(bins);
  }

  /** Documents of all bins. */
  public int documents() {
    return bins.stream().mapToInt(bin -> bin.documents().size()).sum();
  }

  /** Tokens of all bins. */
  public long tokens() {
    return bins.stream().mapToLong(Bin::tokens).sum();
  }
}
