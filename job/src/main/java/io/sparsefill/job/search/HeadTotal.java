package io.sparsefill.job.search;

import io.sparsefill.udf.search.Budget;
import io.sparsefill.udf.search.Candidate;
import io.sparsefill.udf.search.PatternChoice;
import io.sparsefill.udf.search.Trial;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/**
 * Means over the heads that made one choice.
 *
 * @param name of the choice, or {@code all}
 * @param heads that made it
 * @param density mean over those heads
 * @param error mean over those heads
 * @param recall mean over those heads
 */
record HeadTotal(String name, int heads, double density, double error, double recall) {
  /** By candidate: those that some head chose, in the order of the list; {@code all} at the end. */
  static List<HeadTotal> byCandidate(PatternChoice choice, List<Candidate> candidates) {
    return by(choice, candidates, Trial::candidate, Candidate::name);
  }

  /** By the density that a head's pattern was sized to, of those that some head chose, likewise. */
  static List<HeadTotal> byLevel(PatternChoice choice, Budget budget) {
    return by(
        choice,
        budget.levels(),
        Trial::density,
        level -> String.format(Locale.ROOT, "%.4f", level));
  }

  private static <T> List<HeadTotal> by(
      PatternChoice choice, List<T> all, Function<Trial, T> part, Function<T, String> name) {
    List<PatternChoice.Chosen> heads = new ArrayList<>();
    for (int l = 0; l < choice.layers(); l++) {
      heads.addAll(choice.layer(l));
    }
    List<HeadTotal> totals = new ArrayList<>();
    for (T one : all) {
      List<PatternChoice.Chosen> mine =
          heads.stream().filter(head -> part.apply(head.trial()).equals(one)).toList();
      if (!mine.isEmpty()) {
        totals.add(of(name.apply(one), mine));
      }
    }
    totals.add(of("all", heads));
    return totals;
  }

  private static HeadTotal of(String name, List<PatternChoice.Chosen> heads) {
    return new HeadTotal(
        name,
        heads.size(),
        mean(heads, PatternChoice.Chosen::density),
        mean(heads, PatternChoice.Chosen::error),
        mean(heads, PatternChoice.Chosen::recall));
  }

  private static double mean(
      List<PatternChoice.Chosen> heads, ToDoubleFunction<PatternChoice.Chosen> value) {
    return heads.stream().mapToDouble(value).average().orElseThrow();
  }
}
