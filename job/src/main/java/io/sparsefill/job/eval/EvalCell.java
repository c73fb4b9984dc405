package io.sparsefill.job.eval;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/**
 * What a mode did with the samples of a task and length.
 *
 * @param task its word
 * @param length tokens
 * @param mode attention mode
 * @param samples how many, those that failed included
 * @param failed how many have an error
 * @param questions asked; a sample that failed counts as one that was missed
 * @param hits questions with all answer tokens right
 * @param answers asked for, of samples that did not fail
 * @param answersRight those right
 * @param density mean over samples, or NaN
 * @param seconds mean of the pre-fill over samples, or NaN
 */
record EvalCell(
    String task,
    int length,
    String mode,
    int samples,
    int failed,
    int questions,
    int hits,
    int answers,
    int answersRight,
    double density,
    double seconds) {

  /** Share of questions that were hit; NaN of ppl, or when all failed. */
  double accuracy() {
    return failed == samples || questions == failed ? Double.NaN : hits / (double) questions;
  }

  /** Share of answers that were right, which RULER counts where a question has several. */
  double answersFound() {
    return answers == 0 ? Double.NaN : answersRight / (double) answers;
  }

  /** The cells of rows, in the order of rows. */
  static List<EvalCell> of(List<SampleRow> rows) {
    return grouped(rows, row -> List.of(row.unit().length(), row.unit().task(), row.mode()))
        .stream()
        .map(EvalCell::cell)
        .toList();
  }

  /** Rows of the same key together, keys in the order in which they come. */
  static <R> Collection<List<R>> grouped(List<R> rows, Function<R, ?> key) {
    Map<Object, List<R>> groups = new LinkedHashMap<>();
    for (R row : rows) {
      groups.computeIfAbsent(key.apply(row), absent -> new ArrayList<>()).add(row);
    }
    return groups.values();
  }

  private static EvalCell cell(List<SampleRow> rows) {
    SampleRow first = rows.get(0);
    List<SampleRow.Score> scores =
        rows.stream().filter(row -> !row.failed()).map(SampleRow::score).toList();
    int failed = rows.size() - scores.size();
    return new EvalCell(
        first.unit().task().label(),
        first.unit().length(),
        first.mode(),
        rows.size(),
        failed,
        failed + scores.stream().mapToInt(SampleRow.Score::questions).sum(),
        scores.stream().mapToInt(SampleRow.Score::hits).sum(),
        scores.stream().mapToInt(SampleRow.Score::answers).sum(),
        scores.stream().mapToInt(SampleRow.Score::answersRight).sum(),
        mean(scores, SampleRow.Score::density),
        mean(scores, SampleRow.Score::seconds));
  }

  private static double mean(
      List<SampleRow.Score> scores, ToDoubleFunction<SampleRow.Score> value) {
    return scores.stream().mapToDouble(value).average().orElse(Double.NaN);
  }
}
