package io.sparsefill.job.output;

import io.sparsefill.udf.Emit;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.parquet.example.data.Group;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Every visible document has a row for each asked-for position, with what was asked for and no NaN.
 */
final class LogitsCheck {
  private LogitsCheck() {}

  static Dataset<Row> scan(SparkSession session, Storage storage, Manifest manifest) {
    return TableScan.scan(
        session,
        storage,
        Verification.paths(manifest, Table.LOGITS),
        Table.LOGITS.parquet(),
        "doc_id STRING, run_id STRING, position INT, top INT, nll DOUBLE, perplexity DOUBLE,"
            + " token_nll INT, hidden INT, sound BOOLEAN",
        row ->
            new Object[] {
              row.getString("doc_id", 0),
              row.getString("run_id", 0),
              row.getInteger("position", 0),
              StoredRows.listSize(row, "top"),
              StoredRows.float64(row, "nll"),
              StoredRows.float64(row, "perplexity"),
              StoredRows.listSize(row, "token_nll"),
              StoredRows.listSize(row, "hidden"),
              sound(row)
            });
  }

  /** Log-probabilities fall and are at most 0, and all numbers are finite. */
  private static boolean sound(Group row) {
    if (row.getFieldRepetitionCount("top") > 0) {
      Group top = row.getGroup("top", 0);
      double before = 1e-6;
      for (int i = 0; i < top.getFieldRepetitionCount("list"); i++) {
        double logprob = StoredRows.listItem(top, i).getGroup("element", 0).getDouble("logprob", 0);
        if (!(logprob <= before) || Double.isInfinite(logprob)) {
          return false;
        }
        before = logprob;
      }
    }
    return finite(row, "token_nll") && finite(row, "hidden");
  }

  private static boolean finite(Group row, String column) {
    if (row.getFieldRepetitionCount(column) > 0) {
      Group list = row.getGroup(column, 0);
      for (int i = 0; i < list.getFieldRepetitionCount("list"); i++) {
        if (!Float.isFinite(StoredRows.listItem(list, i).getFloat("element", 0))) {
          return false;
        }
      }
    }
    return true;
  }

  static void run(SparkSession session, Identity identity, long documents, Findings findings) {
    Set<Emit> emit = identity.emit();
    if (Set.of(Emit.KV, Emit.ANSWER).containsAll(emit)) {
      return;
    }
    int positions = emit.contains(Emit.LOGITS) ? identity.lastPositions() : 1;
    session
        .sql(
            """
            SELECT v.doc_id, v.run_id, v.token_count AS total, l.position, l.top, l.nll,
              l.perplexity, l.token_nll, l.hidden, l.sound
            FROM visible v LEFT JOIN logits_rows l
            ON l.doc_id = v.doc_id AND l.run_id = v.run_id
            """)
        .createOrReplaceTempView("positions");
    findings.check(
        "logits positions",
        documents,
        session.sql(
            """
            SELECT doc_id, run_id, CAST(NULL AS INT) AS layer, CAST(NULL AS INT) AS block,
              concat('has ', count(position), ' rows of ', least({N}, total), ', positions ',
                coalesce(string(min(position)), 'none'), ' to ',
                coalesce(string(max(position)), 'none'), ' of ', total, ' tokens') AS message
            FROM positions GROUP BY doc_id, run_id, total
            HAVING count(position) <> least({N}, total)
              OR count(DISTINCT position) <> least({N}, total)
              OR min(position) <> total - least({N}, total)
              OR max(position) <> total - 1
            """
                .replace("{N}", String.valueOf(positions))));
    findings.check(
        "logits values",
        session.table("positions").count(),
        session.sql(
            """
            SELECT doc_id, run_id, CAST(NULL AS INT) AS layer, CAST(NULL AS INT) AS block,
              concat('position ', position, ': top ', coalesce(string(top), 'none'),
                ', nll ', coalesce(string(nll), 'none'),
                ', perplexity ', coalesce(string(perplexity), 'none'),
                ', token_nll ', coalesce(string(token_nll), 'none'),
                ', hidden ', coalesce(string(hidden), 'none'),
                if(sound, '', ', not finite or not in order')) AS message
            FROM positions WHERE position IS NOT NULL AND (%s)
            """
                .formatted(String.join(" OR ", wrong(emit)))));
  }

  /** Conditions for a row that lacks something. */
  private static List<String> wrong(Set<Emit> emit) {
    List<String> wrong = new ArrayList<>(List.of("NOT sound"));
    if (emit.contains(Emit.LOGITS)) {
      wrong.add("coalesce(top, 0) < 1");
    }
    if (emit.contains(Emit.NLL)) { // a document of one token has no likelihood
      wrong.add(
          "(position = total - 1 AND total > 1 AND"
              + " (nll IS NULL OR isnan(nll) OR perplexity IS NULL OR isnan(perplexity)))");
    }
    if (emit.contains(Emit.TOKEN_NLL)) {
      wrong.add("(position = total - 1 AND coalesce(token_nll, 0) <> total - 1)");
    }
    if (emit.contains(Emit.HIDDEN)) {
      wrong.add("(position = total - 1 AND coalesce(hidden, 0) < 1)");
    }
    return wrong;
  }
}
