package io.sparsefill.job.output;

import io.sparsefill.job.output.VerifyReport.Problem;
import java.util.List;
import java.util.Map;
import org.apache.parquet.example.data.Group;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Every visible document has each block of each layer once, of the right size and with the right
 * checksum.
 */
final class KvCheck {
  private KvCheck() {}

  static Dataset<Row> scan(SparkSession session, Storage storage, Manifest manifest) {
    return TableScan.scan(
        session,
        storage,
        Verification.paths(manifest, Table.KV),
        Table.KV.parquet(),
        "doc_id STRING, run_id STRING, layer INT, block INT, token_start INT, token_count INT,"
            + " dtype STRING, key_bytes INT, value_bytes INT, key_scale_bytes INT,"
            + " value_scale_bytes INT, damage STRING",
        KvCheck::facts);
  }

  /** All of a block but its bytes; last what is wrong with these, or null. */
  static Object[] facts(Group row) {
    String damage;
    try {
      damage = KvCells.block(row).intact() ? null : "crc32c does not fit the bytes";
    } catch (IllegalArgumentException e) {
      damage = e.getMessage();
    }
    return new Object[] {
      row.getString("doc_id", 0),
      row.getString("run_id", 0),
      row.getInteger("layer", 0),
      row.getInteger("block", 0),
      row.getInteger("token_start", 0),
      row.getInteger("token_count", 0),
      row.getString("dtype", 0),
      row.getBinary("key", 0).length(),
      row.getBinary("value", 0).length(),
      scaleBytes(row, "key_scale"),
      scaleBytes(row, "value_scale"),
      damage
    };
  }

  private static int scaleBytes(Group row, String column) {
    return StoredRows.isThere(row, column) ? row.getBinary(column, 0).length() : 0;
  }

  static void run(SparkSession session, Identity identity, long documents, Findings findings) {
    session
        .sql(
            """
            SELECT r.*, v.token_count AS total FROM kv_rows r JOIN visible v
            ON r.doc_id = v.doc_id AND r.run_id = v.run_id
            """)
        .createOrReplaceTempView("blocks");
    long blocks = session.table("blocks").count();
    findings.check(
        "kv checksums",
        blocks,
        session.sql(
            """
            SELECT doc_id, run_id, layer, block,
              concat(damage, ', in ', file) AS message
            FROM blocks WHERE damage IS NOT NULL
            """));
    findings.check(
        "kv block shapes",
        blocks,
        session.sql(
            fill(
                """
                SELECT doc_id, run_id, layer, block,
                  concat('tokens ', token_start, ' + ', token_count, ' of ', total, ', ', dtype,
                    ', key of ', key_bytes, ' bytes, value of ', value_bytes,
                    IF(key_scale_bytes + value_scale_bytes + {scales} = 0, '',
                      concat(', scales of ', key_scale_bytes, ' and ', value_scale_bytes))
                    ) AS message
                FROM blocks
                WHERE NOT (layer >= 0 AND layer < {L} AND block >= 0
                  AND CAST(block AS BIGINT) * {B} < total
                  AND token_start = CAST(block AS BIGINT) * {B}
                  AND token_count = least({B}, total - token_start)
                  AND dtype = '{dtype}'
                  AND key_bytes = CAST(token_count AS BIGINT) * {bytes}
                  AND value_bytes = key_bytes
                  AND key_scale_bytes = CAST(token_count AS BIGINT) * {scales}
                  AND value_scale_bytes = key_scale_bytes)
                """,
                identity)));
    findings.check(
        "kv doubled blocks",
        blocks,
        session.sql(
            """
            SELECT doc_id, run_id, layer, block, concat('is there ', count(*), ' times') AS message
            FROM blocks GROUP BY doc_id, run_id, layer, block HAVING count(*) > 1
            """));
    List<Problem> incomplete =
        findings.check(
            "kv complete",
            documents,
            session.sql(
                fill(
                    """
                    SELECT v.doc_id, v.run_id, CAST(NULL AS INT) AS layer,
                      CAST(NULL AS INT) AS block,
                      concat('has ', count(DISTINCT b.layer, b.block), ' of ',
                        {L} * ceil(v.token_count / {B}), ' blocks') AS message
                    FROM visible v LEFT JOIN blocks b
                      ON b.doc_id = v.doc_id AND b.run_id = v.run_id
                      AND b.layer >= 0 AND b.layer < {L}
                      AND b.block >= 0 AND CAST(b.block AS BIGINT) * {B} < v.token_count
                    GROUP BY v.doc_id, v.run_id, v.token_count
                    HAVING count(DISTINCT b.layer, b.block) <> {L} * ceil(v.token_count / {B})
                    """,
                    identity)));
    incomplete.forEach(problem -> findings.explain(firstMissing(session, identity, problem)));
  }

  private static Problem firstMissing(SparkSession session, Identity identity, Problem problem) {
    Row missing =
        session
            .sql(
                fill(
                    """
                    SELECT layer, block FROM
                      (SELECT explode(sequence(0, {L} - 1)) AS layer) CROSS JOIN
                      (SELECT explode(sequence(0, CAST(ceil(token_count / {B}) AS INT) - 1))
                         AS block FROM visible WHERE doc_id = :doc AND run_id = :run)
                    EXCEPT
                    SELECT layer, block FROM blocks WHERE doc_id = :doc AND run_id = :run
                    ORDER BY layer, block LIMIT 1
                    """,
                    identity),
                Map.of("doc", problem.docId(), "run", problem.runId()))
            .first();
    return new Problem(
        problem.check(),
        problem.docId(),
        problem.runId(),
        missing.getInt(0),
        missing.getInt(1),
        "is the first that is missing");
  }

  private static String fill(String sql, Identity identity) {
    return sql.replace("{L}", String.valueOf(identity.layers()))
        .replace("{B}", String.valueOf(identity.blockTokens()))
        .replace("{bytes}", String.valueOf(identity.tokenBytes()))
        .replace("{scales}", String.valueOf(identity.kvHeads() * identity.kvDtype().scaleBytes()))
        .replace("{dtype}", identity.kvDtype().label());
  }
}
