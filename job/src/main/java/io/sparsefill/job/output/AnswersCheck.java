package io.sparsefill.job.output;

import io.sparsefill.job.AnswerRow;
import org.apache.parquet.example.data.Group;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Every visible document has one answer, as long as its reason to end says, with a log-probability
 * for each token. Answers are not made again.
 */
final class AnswersCheck {
  private AnswersCheck() {}

  static Dataset<Row> scan(SparkSession session, Storage storage, Manifest manifest) {
    return TableScan.scan(
        session,
        storage,
        Verification.paths(manifest, Table.ANSWERS),
        Table.ANSWERS.parquet(),
        "doc_id STRING, run_id STRING, tokens INT, logprobs INT, finish STRING, asked BOOLEAN,"
            + " sound BOOLEAN",
        row ->
            new Object[] {
              row.getString("doc_id", 0),
              row.getString("run_id", 0),
              StoredRows.listSize(row, "token_ids"),
              StoredRows.listSize(row, "logprobs"),
              row.getString("finish_reason", 0),
              !row.getString("question", 0).isBlank(),
              sound(row.getGroup("logprobs", 0))
            });
  }

  /** Log-probabilities are at most 0, but for rounding, and finite. */
  private static boolean sound(Group logprobs) {
    for (int i = 0; i < logprobs.getFieldRepetitionCount("list"); i++) {
      double logprob = StoredRows.listItem(logprobs, i).getDouble("element", 0);
      if (!(logprob <= 1e-6) || Double.isInfinite(logprob)) {
        return false;
      }
    }
    return true;
  }

  static void run(SparkSession session, Identity identity, long documents, Findings findings) {
    findings.check(
        "answers",
        documents,
        session.sql(
            """
            SELECT v.doc_id, v.run_id, CAST(NULL AS INT) AS layer, CAST(NULL AS INT) AS block,
              concat('has ', count(a.doc_id), ' answers, not one') AS message
            FROM visible v LEFT JOIN answers_rows a
            ON a.doc_id = v.doc_id AND a.run_id = v.run_id
            GROUP BY v.doc_id, v.run_id HAVING count(a.doc_id) <> 1
            """));
    findings.check(
        "answer values",
        session.table("answers_rows").count(),
        session.sql(
            """
            SELECT a.doc_id, a.run_id, CAST(NULL AS INT) AS layer, CAST(NULL AS INT) AS block,
              concat(tokens, ' tokens with ', logprobs, ' log-probabilities, ended by ', finish,
                if(asked, '', ', to no question'),
                if(sound, '', ', log-probabilities not finite or above 0')) AS message
            FROM answers_rows a JOIN visible v ON a.doc_id = v.doc_id AND a.run_id = v.run_id
            WHERE NOT sound OR NOT asked OR tokens <> logprobs
              OR NOT coalesce(
                (finish = '{EOS}' AND tokens < {N}) OR (finish = '{LENGTH}' AND tokens = {N}), false)
            """
                .replace("{EOS}", AnswerRow.EOS)
                .replace("{LENGTH}", AnswerRow.LENGTH)
                .replace("{N}", String.valueOf(identity.maxNewTokens()))));
  }
}
