package io.sparsefill.job.eval;

import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * How near a mode comes to dense attention over all documents. Each document counts the same, but
 * shares of positions count positions, and perplexity tokens.
 *
 * @param mode attention mode
 * @param documents how many, those that failed included
 * @param failed how many have an error; they are in none of the means
 * @param agreed share of positions with the same likeliest next token
 * @param lastAgreed the same of last positions
 * @param klLast mean KL divergence at the last position, nats
 * @param klMean mean over documents of the mean over positions
 * @param klMax greatest
 * @param perplexity of all tokens
 * @param layerError mean relative error of the attention's output
 * @param recall mean share of attention weights that the mode computes
 * @param density mean
 * @param seconds mean of the pre-fill
 */
record FidelityCell(
    String mode,
    int documents,
    int failed,
    double agreed,
    double lastAgreed,
    double klLast,
    double klMean,
    double klMax,
    double perplexity,
    double layerError,
    double recall,
    double density,
    double seconds) {

  /** One for each mode that has rows. */
  static List<FidelityCell> of(List<FidelityRow> rows, List<String> modes) {
    return modes.stream()
        .map(mode -> rows.stream().filter(row -> row.mode().equals(mode)).toList())
        .filter(ofMode -> !ofMode.isEmpty())
        .map(FidelityCell::cell)
        .toList();
  }

  private static FidelityCell cell(List<FidelityRow> all) {
    List<FidelityRow> rows = all.stream().filter(row -> !row.failed()).toList();
    double positions = sum(rows, row -> row.score().positions());
    double tokens = sum(rows, row -> row.tokens() - 1);
    double nats = sum(rows, row -> row.score().nll() * (row.tokens() - 1));
    return new FidelityCell(
        all.get(0).mode(),
        all.size(),
        all.size() - rows.size(),
        sum(rows, row -> row.score().agreed()) / positions,
        mean(rows, row -> row.score().lastAgrees() ? 1 : 0),
        mean(rows, row -> row.score().klLast()),
        mean(rows, row -> row.score().klMean()),
        rows.stream().mapToDouble(row -> row.score().klMax()).max().orElse(Double.NaN),
        Math.exp(nats / tokens),
        mean(rows, row -> row.score().layerError()),
        mean(rows, row -> row.score().recall()),
        mean(rows, row -> row.score().density()),
        mean(rows, row -> row.score().seconds()));
  }

  private static double sum(List<FidelityRow> rows, ToDoubleFunction<FidelityRow> value) {
    return rows.stream().mapToDouble(value).sum();
  }

  private static double mean(List<FidelityRow> rows, ToDoubleFunction<FidelityRow> value) {
    return rows.stream().mapToDouble(value).average().orElse(Double.NaN);
  }
}
