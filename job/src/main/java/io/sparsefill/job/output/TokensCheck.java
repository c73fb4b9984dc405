package io.sparsefill.job.output;

import static org.apache.spark.sql.functions.col;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.parquet.example.data.Group;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;

/**
 * Every visible document has its tokens, block after block, and each block the hash of all tokens
 * up to its end.
 */
final class TokensCheck {
  private TokensCheck() {}

  static Dataset<Row> scan(SparkSession session, Storage storage, Manifest manifest) {
    return TableScan.scan(
        session,
        storage,
        Verification.paths(manifest, Table.TOKENS),
        Table.TOKENS.parquet(),
        "doc_id STRING, run_id STRING, block INT, token_start INT, token_count INT, ids BINARY,"
            + " prefix_sha256 STRING",
        row ->
            new Object[] {
              row.getString("doc_id", 0),
              row.getString("run_id", 0),
              row.getInteger("block", 0),
              row.getInteger("token_start", 0),
              row.getInteger("token_count", 0),
              littleEndian(row.getGroup("token_ids", 0)),
              row.getString("prefix_sha256", 0)
            });
  }

  private static byte[] littleEndian(Group list) {
    int size = list.getFieldRepetitionCount("list");
    ByteBuffer bytes = ByteBuffer.allocate(4 * size).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < size; i++) {
      bytes.putInt(StoredRows.listItem(list, i).getInteger("element", 0));
    }
    return bytes.array();
  }

  static void run(SparkSession session, Identity identity, long documents, Findings findings) {
    Dataset<Row> inOrder =
        session
            .sql(
                """
                SELECT v.doc_id, v.run_id, v.token_count AS total, t.block, t.token_start,
                  t.token_count, t.ids, t.prefix_sha256
                FROM visible v LEFT JOIN tokens_rows t
                ON t.doc_id = v.doc_id AND t.run_id = v.run_id
                """)
            .repartition(col("doc_id"), col("run_id"))
            .sortWithinPartitions("doc_id", "run_id", "block");
    findings.check(
        "tokens complete",
        documents,
        inOrder.mapPartitions(
            new Chain(identity.blockTokens()), Encoders.row(StructType.fromDDL(Findings.PROBLEM))));
  }

  /**
   * Follows the documents of a partition, whose blocks come in order; tells the first problem of
   * each.
   */
  private record Chain(int blockTokens) implements MapPartitionsFunction<Row, Row> {
    @Override
    public Iterator<Row> call(Iterator<Row> rows) {
      List<Row> problems = new ArrayList<>();
      Follower current = null;
      while (rows.hasNext()) {
        Row row = rows.next();
        if (current == null || !current.isAbout(row)) {
          if (current != null) {
            current.end(problems);
          }
          current = new Follower(row.getString(0), row.getString(1), row.getInt(2), blockTokens);
        }
        current.follow(row, problems);
      }
      if (current != null) {
        current.end(problems);
      }
      return problems.iterator();
    }
  }

  private static final class Follower {
    private final String docId;
    private final String runId;
    private final int total;
    private final int blockTokens;
    private final PrefixHashes hashes = new PrefixHashes();
    private int block;
    private int tokens;
    private boolean told;

    Follower(String docId, String runId, int total, int blockTokens) {
      this.docId = docId;
      this.runId = runId;
      this.total = total;
      this.blockTokens = blockTokens;
    }

    boolean isAbout(Row row) {
      return row.getString(0).equals(docId) && row.getString(1).equals(runId);
    }

    void follow(Row row, List<Row> problems) {
      if (told || row.isNullAt(3)) {
        return;
      }
      int start = row.getInt(4);
      int count = row.getInt(5);
      byte[] ids = row.getAs("ids");
      if (row.getInt(3) != block) {
        tell(problems, "comes where block " + block + " is expected", row.getInt(3));
      } else if (start != tokens
          || count != Math.min(blockTokens, total - tokens)
          || ids.length != 4 * count) {
        tell(
            problems,
            String.format(
                "has tokens %d + %d of %d, and %d ids", start, count, total, ids.length / 4),
            block);
      } else if (!hashes.add(ids).equals(row.getString(7))) {
        tell(problems, "prefix_sha256 does not fit the tokens", block);
      }
      block++;
      tokens += count;
    }

    void end(List<Row> problems) {
      if (!told && tokens != total) {
        tell(problems, "ends after " + tokens + " of " + total + " tokens", null);
      }
    }

    private void tell(List<Row> problems, String message, Integer at) {
      told = true;
      problems.add(RowFactory.create(docId, runId, null, at, message));
    }
  }
}
