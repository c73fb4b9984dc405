package io.sparsefill.job.search;

import io.sparsefill.udf.search.Candidate;
import io.sparsefill.udf.search.PatternChoice;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * What became of a candidate.
 *
 * @param name of the candidate, or {@code all}
 * @param heads that chose it
 * @param density mean over those heads
 * @param error mean over those heads
 * @param recall mean over those heads
 */
record CandidateTotal(String name, int heads, double density, double error, double recall) {
  /** Those that some head chose, in the order of the list; {@code all} at the end. */
  static List<CandidateTotal> of(PatternChoice choice, List<Candidate> candidates) {
    List<PatternChoice.Chosen> heads = new ArrayList<>();
    for (int l = 0; l < choice.layers(); l++) {
      heads.addAll(choice.layer(l));
    }
    List<CandidateTotal> totals = new ArrayList<>();
    for (int c = 0; c < candidates.size(); c++) {
      int number = c;
      List<PatternChoice.Chosen> mine =
          heads.stream().filter(head -> head.candidate() == number).toList();
      if (!mine.isEmpty()) {
        totals.add(of(candidates.get(c).name(), mine));
      }
    }
    totals.add(of("all", heads));
    return totals;
  }

  private static CandidateTotal of(String name, List<PatternChoice.Chosen> heads) {
    return new CandidateTotal(
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
