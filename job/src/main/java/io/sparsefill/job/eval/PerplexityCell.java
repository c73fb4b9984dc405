package io.sparsefill.job.eval;

import java.util.List;

/**
 * Perplexity of a mode over all texts of a length, in a bucket of positions.
 *
 * @param length tokens of the texts
 * @param mode attention mode
 * @param from first position
 * @param to position after the last
 * @param nllSum nats
 * @param tokens how many were measured
 */
record PerplexityCell(int length, String mode, int from, int to, double nllSum, long tokens) {
  double perplexity() {
    return Math.exp(nllSum / tokens);
  }

  /** Bucket by bucket. */
  static List<PerplexityCell> byBucket(List<BucketRow> rows) {
    return EvalCell.grouped(rows, row -> List.of(row.unit().length(), row.mode(), row.from()))
        .stream()
        .map(group -> sum(group, group.get(0).from(), group.get(0).to()))
        .toList();
  }

  /** Over all positions. */
  static List<PerplexityCell> whole(List<BucketRow> rows) {
    return EvalCell.grouped(rows, row -> List.of(row.unit().length(), row.mode())).stream()
        .map(group -> sum(group, 0, group.get(0).unit().length()))
        .toList();
  }

  private static PerplexityCell sum(List<BucketRow> rows, int from, int to) {
    return new PerplexityCell(
        rows.get(0).unit().length(),
        rows.get(0).mode(),
        from,
        to,
        rows.stream().mapToDouble(BucketRow::nllSum).sum(),
        rows.stream().mapToLong(BucketRow::tokens).sum());
  }
}
