package io.sparsefill.job.search;

import io.sparsefill.job.run.RunOptions;
import io.sparsefill.job.run.UsageException;
import io.sparsefill.udf.search.Budget;
import io.sparsefill.udf.search.Candidate;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * The options of a search.
 *
 * @param run model, calibration documents as input, and how they are computed
 * @param output the pattern file
 * @param lengths in tokens, the longest first; empty for those of the documents
 * @param samples the most samples of a length
 * @param target how much a head may compute
 * @param budget levels that candidates are tried at, relative to the target; see {@link Budget}
 * @param tolerance how far a candidate's cost may be from that, as a share
 * @param candidates what is tried on each head
 */
public record SearchOptions(
    RunOptions run,
    Path output,
    List<Integer> lengths,
    int samples,
    SearchTarget target,
    List<Double> budget,
    double tolerance,
    List<Candidate> candidates) {
  /** A length must hold one tile. */
  static final int LEAST_LENGTH = 64;

  /** Takes copies, and checks the numbers. */
  public SearchOptions {
    lengths = List.copyOf(lengths);
    budget = List.copyOf(budget);
    candidates = List.copyOf(candidates);
    if (samples < 1) {
      throw new UsageException(
          "Cannot search with --samples " + samples + ": accepted is a number of at least 1");
    }
    if (!(tolerance > 0 && tolerance < 1)) {
      throw new UsageException(
          "Cannot search with --tolerance " + tolerance + ": accepted is a number between 0 and 1");
    }
  }

  /**
   * Reads {@code --lengths}; empty when it is not given.
   *
   * @return each length once, the longest first
   * @throws UsageException for what is no number of tokens
   */
  public static List<Integer> lengths(String list) {
    List<Integer> lengths = new ArrayList<>();
    for (String word : list == null ? new String[0] : list.split(",", -1)) {
      if (!word.strip().matches("\\d{1,9}") || Integer.parseInt(word.strip()) < LEAST_LENGTH) {
        throw new UsageException(
            "Cannot use --lengths %s: '%s' is no number of tokens of at least %d, one tile"
                .formatted(list, word.strip(), LEAST_LENGTH));
      }
      lengths.add(Integer.parseInt(word.strip()));
    }
    return lengths.stream().distinct().sorted(Comparator.reverseOrder()).toList();
  }

  /**
   * Reads {@code --budget}: {@code uniform}, {@code adaptive}, or the levels of an adaptive one.
   *
   * @return levels relative to the target, ascending; a single one means that heads do not share
   * @throws UsageException for what is neither
   */
  public static List<Double> budget(String given) {
    switch (given) {
      case "uniform":
        return Budget.UNIFORM;
      case "adaptive":
        return Budget.ADAPTIVE;
      default:
        break;
    }
    List<Double> levels = new ArrayList<>();
    for (String word : given.split(",", -1)) {
      if (!word.strip().matches("\\d{1,3}(\\.\\d{1,6})?") || Double.parseDouble(word) == 0) {
        throw new UsageException(
            "Cannot use --budget %s: '%s' is no number above 0; accepted are uniform, adaptive, or levels relative to the target, such as 0.5,1,2"
                .formatted(given, word.strip()));
      }
      levels.add(Double.parseDouble(word));
    }
    List<Double> ascending = levels.stream().distinct().sorted().toList();
    if (ascending.size() < 2 || ascending.get(0) > 1) {
      throw new UsageException(
          "Cannot use --budget %s: heads can share with two levels at least, the lowest of them at most 1; such as 0.5,1,2"
              .formatted(given));
    }
    return ascending;
  }

  /**
   * Reads {@code --candidates}.
   *
   * @throws UsageException saying what is none
   */
  public static List<Candidate> candidates(String list) {
    try {
      return Candidate.parse(list);
    } catch (IllegalArgumentException e) {
      throw new UsageException("Cannot use --candidates: " + e.getMessage(), e);
    }
  }
}
