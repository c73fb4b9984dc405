package io.sparsefill.job.output;

import io.sparsefill.job.output.VerifyReport.Check;
import io.sparsefill.job.output.VerifyReport.Problem;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** Collects what the checks find: exact counts, and the first problems of each. */
final class Findings {
  /** Columns of a dataset of problems. */
  static final String PROBLEM =
      "doc_id STRING, run_id STRING, layer INT, block INT, message STRING";

  private final int listed;
  private final List<Check> checks = new ArrayList<>();
  private final List<Problem> problems = new ArrayList<>();

  Findings(int listed) {
    this.listed = listed;
  }

  /**
   * A check whose problems are the rows of a dataset of {@link #PROBLEM} columns. Returns the
   * listed ones.
   */
  List<Problem> check(String name, long examined, Dataset<Row> found) {
    List<Problem> first = new ArrayList<>();
    List<Row> rows =
        found.orderBy("doc_id", "run_id", "layer", "block").limit(listed + 1).collectAsList();
    for (Row row : rows.subList(0, Math.min(listed, rows.size()))) {
      first.add(
          new Problem(
              name,
              row.getString(0),
              row.getString(1),
              row.isNullAt(2) ? null : (Integer) row.getInt(2),
              row.isNullAt(3) ? null : (Integer) row.getInt(3),
              row.getString(4)));
    }
    checks.add(new Check(name, examined, rows.size() > listed ? found.count() : rows.size()));
    problems.addAll(first);
    return first;
  }

  /** A check whose problems were found on the driver. */
  void check(String name, long examined, List<Problem> found) {
    checks.add(new Check(name, examined, found.size()));
    problems.addAll(found.subList(0, Math.min(listed, found.size())));
  }

  /** Lists one more line for a problem that is counted already. */
  void explain(Problem problem) {
    problems.add(problem);
  }

  List<Check> checks() {
    return checks;
  }

  List<Problem> problems() {
    return problems;
  }
}
