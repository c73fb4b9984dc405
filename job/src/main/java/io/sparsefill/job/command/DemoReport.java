package io.sparsefill.job.command;

import io.sparsefill.job.TextTable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * What the model retrieved, from the tables alone: the most likely token before each token of an
 * answer.
 */
final class DemoReport {
  private final List<Line> lines;

  private record Document(int tokens, String status, double density, double seconds) {}

  private record Line(DemoAnswer answer, Document document, String retrieved, boolean hit) {}

  private DemoReport(List<Line> lines) {
    this.lines = lines;
  }

  /** Reads the documents and logits tables of a demo's output. */
  static DemoReport read(SparkSession spark, String output, List<DemoAnswer> answers) {
    Map<String, Document> documents = new HashMap<>();
    for (Row row :
        spark
            .read()
            .parquet(output + "/documents")
            .select("doc_id", "token_count", "status", "density", "prefill_seconds")
            .where("status = 'ok'")
            .collectAsList()) {
      documents.put(
          row.getString(0),
          new Document(row.getInt(1), row.getString(2), row.getDouble(3), row.getDouble(4)));
    }
    // doc_id -> position -> most likely next token
    Map<String, Map<Integer, Row>> best = new HashMap<>();
    for (Row row :
        spark
            .read()
            .parquet(output + "/logits")
            .selectExpr("doc_id", "position", "top[0].id", "top[0].token")
            .collectAsList()) {
      best.computeIfAbsent(row.getString(0), id -> new HashMap<>()).put(row.getInt(1), row);
    }
    List<Line> lines = new ArrayList<>();
    for (DemoAnswer answer : answers) {
      lines.add(line(answer, documents.get(answer.docId()), best.get(answer.docId())));
    }
    return new DemoReport(lines);
  }

  private static Line line(DemoAnswer answer, Document document, Map<Integer, Row> best) {
    if (document == null || best == null) {
      return new Line(answer, null, "", false);
    }
    StringBuilder retrieved = new StringBuilder();
    boolean hit = true;
    for (int i = 0; i < answer.tokenIds().size(); i++) {
      Row row = best.get(answer.firstToken() + i - 1);
      retrieved.append(row.getString(3));
      hit &= row.getInt(2) == answer.tokenIds().get(i);
    }
    return new Line(answer, document, retrieved.toString(), hit);
  }

  /** Answers whose tokens are all the most likely ones. */
  long hits() {
    return lines.stream().filter(Line::hit).count();
  }

  /** One row per answer. */
  TextTable table() {
    TextTable table =
        new TextTable(
            "document", "tokens", "density", "tokens/s", "hidden truth", "retrieved", "hit");
    for (Line line : lines) {
      Document document = line.document();
      table.add(
          line.answer().docId(),
          document == null ? "-" : String.format(Locale.ROOT, "%,d", document.tokens()),
          document == null ? "-" : String.format(Locale.ROOT, "%.2f", document.density()),
          document == null
              ? "-"
              : String.format(Locale.ROOT, "%,.0f", document.tokens() / document.seconds()),
          line.answer().text().strip(),
          document == null ? "(failed)" : line.retrieved().strip(),
          line.hit() ? "yes" : "no");
    }
    return table;
  }
}
