package io.sparsefill.job.output;

import io.sparsefill.job.output.VerifyReport.Problem;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** Every document has one row that counts, and the manifest counts as the table does. */
final class DocumentsCheck {
  private DocumentsCheck() {}

  static Dataset<Row> scan(SparkSession session, Storage storage, Manifest manifest) {
    return TableScan.scan(
        session,
        storage,
        Verification.paths(manifest, Table.DOCUMENTS),
        Table.DOCUMENTS.columns(
            "doc_id", "content_sha256", "token_count", "status", "error", "fingerprint", "run_id"),
        "doc_id STRING, content_sha256 STRING, token_count INT, status STRING, error STRING,"
            + " fingerprint STRING, run_id STRING",
        row ->
            new Object[] {
              StoredRows.text(row, "doc_id"),
              StoredRows.text(row, "content_sha256"),
              row.getInteger("token_count", 0),
              StoredRows.text(row, "status"),
              StoredRows.text(row, "error"),
              StoredRows.text(row, "fingerprint"),
              StoredRows.text(row, "run_id")
            });
  }

  static void run(SparkSession session, Manifest manifest, Findings findings) {
    session
        .sql("SELECT * FROM documents_rows WHERE unreadable IS NULL")
        .createOrReplaceTempView("documents");
    long rows = session.table("documents").count();
    findings.check(
        "documents once",
        rows,
        session.sql(
            """
            SELECT doc_id, run_id, CAST(NULL AS INT) AS layer, CAST(NULL AS INT) AS block,
              concat('has two finished rows of one content, in runs ', before, ' and ', run_id,
                ', and no other content between') AS message
            FROM (
              SELECT doc_id, run_id, content_sha256,
                lag(content_sha256) OVER (PARTITION BY doc_id ORDER BY run_id) AS content_before,
                lag(run_id) OVER (PARTITION BY doc_id ORDER BY run_id) AS before
              FROM documents WHERE status <> 'failed')
            WHERE content_sha256 = content_before
            UNION ALL
            SELECT doc_id, run_id, NULL, NULL,
              concat('has ', count(*), ' finished rows in one run')
            FROM documents WHERE status <> 'failed'
            GROUP BY doc_id, run_id HAVING count(DISTINCT content_sha256) > 1
            """));
    findings.check(
        "documents rows",
        rows,
        session.sql(
            """
            SELECT doc_id, run_id, CAST(NULL AS INT) AS layer, CAST(NULL AS INT) AS block,
              concat('status ', status, ', ', token_count, ' tokens, error ',
                coalesce(error, 'none'), ', fingerprint ', fingerprint) AS message
            FROM documents
            WHERE status NOT IN ('ok', 'truncated', 'skipped', 'failed')
              OR (status IN ('ok', 'truncated') AND token_count < 1)
              OR (status = 'failed' AND error IS NULL)
              OR fingerprint <> '%s'
            """
                .formatted(manifest.fingerprint())));
    findings.check(
        "documents in manifest", manifest.runs().size(), differingRuns(session, manifest));
  }

  private static List<Problem> differingRuns(SparkSession session, Manifest manifest) {
    Map<String, Map<String, Long>> table = new TreeMap<>();
    for (Row row :
        session
            .sql("SELECT run_id, status, count(*) FROM documents GROUP BY run_id, status")
            .collectAsList()) {
      table
          .computeIfAbsent(row.getString(0), run -> new TreeMap<>())
          .put(row.getString(1), row.getLong(2));
    }
    List<Problem> problems = new ArrayList<>();
    for (Manifest.Run run : manifest.runs()) {
      Map<String, Long> said = new TreeMap<>();
      for (Manifest.Wave wave : run.waves()) {
        wave.documents().forEach((status, count) -> said.merge(status, count, Long::sum));
      }
      Map<String, Long> found = table.getOrDefault(run.runId(), Map.of());
      if (!said.equals(found)) {
        problems.add(
            new Problem(
                "documents in manifest",
                null,
                null,
                null,
                null,
                "run " + run.runId() + " has " + found + ", the manifest says " + said));
      }
    }
    return problems;
  }
}
