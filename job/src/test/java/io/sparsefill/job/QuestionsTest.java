package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Questions beside documents, from every format that has columns; oracle: what was put in. */
class QuestionsTest {
  private static final SparkSession SPARK = TestSpark.session();

  @TempDir Path folder;

  private static InputOptions input(Object input, String format) {
    return new InputOptions(input.toString(), format, null, null, null, null, "asks");
  }

  /** As a table's rows: good, good with token ids, null, empty, white space, no UTF-8. */
  private static Dataset<Row> rows() {
    return SPARK
        .sql(
            "select * from values ('a', 'text', null, 'Wh\u00EF\uD83D\uDE00?'),"
                + " ('b', null, array(4, 5), 'who?'), ('c', 'text', null, null),"
                + " ('d', 'text', null, ''), ('e', 'text', null, ' \\n '),"
                + " ('f', 'text', null, cast(unhex('41FF') as string)), ('g', null, null, 'who?')"
                + " as t(doc_id, text, token_ids, asks)")
        .coalesce(1);
  }

  private static void check(List<Document> documents) {
    assertThat(documents)
        .extracting(Document::docId)
        .containsExactly("a", "b", "c", "d", "e", "f", "g");
    assertThat(documents.get(0).question()).isEqualTo("Wh\u00EF\uD83D\uDE00?");
    assertThat(documents.get(0).text()).isEqualTo("text");
    assertThat(documents.get(1).question()).isEqualTo("who?");
    assertThat(documents.get(1).tokenIds()).containsExactly(4, 5);
    assertThat(documents.subList(0, 2)).allMatch(d -> d.error() == null);
    assertThat(documents.get(2).error()).endsWith("column 'asks' is null; a question is needed");
    assertThat(documents.get(3).error()).endsWith("the question in column 'asks': it is empty");
    assertThat(documents.get(4).error())
        .endsWith("the question in column 'asks': it is empty but for white space");
    assertThat(documents.get(5).error()).contains("column 'asks'", "not valid UTF-8");
    assertThat(documents.get(6).error()).contains("column 'text' is null");
  }

  @Test
  void ofATable() throws Exception {
    rows().createOrReplaceTempView("asked");
    check(TestSpark.read(input("asked", "table")));
  }

  @Test
  void ofParquet() throws Exception {
    String out = folder.resolve("asked").toString();
    rows().write().parquet(out);
    check(TestSpark.read(input(out, "parquet")));
  }

  @Test
  void ofJsonl() throws Exception {
    Path file =
        TestSpark.write(
            folder.resolve("in.jsonl"),
            """
            {"doc_id":"a","text":"text","asks":"why?"}
            {"asks":"who?","token_ids":[4,5],"doc_id":"b"}
            {"doc_id":"c","text":"text","asks":null}
            {"doc_id":"d","text":"text","asks":["why?"]}
            {"doc_id":"e","text":"text"}
            {"doc_id":"f","text":"text","asks":"\\t"}
            """);
    List<Document> documents = TestSpark.read(input(file, null));
    assertThat(documents.get(0).question()).isEqualTo("why?");
    assertThat(documents.get(1).question()).isEqualTo("who?");
    assertThat(documents.get(2).error()).endsWith("column 'asks' is null; a question is needed");
    assertThat(documents.get(3).error()).endsWith("column 'asks' is an array; a string is needed");
    assertThat(documents.get(4).error())
        .endsWith("there is no column 'asks', but: doc_id, text; check --question-column");
    assertThat(documents.get(5).error()).endsWith("it is empty but for white space");
    assertThat(TestSpark.read(TestSpark.input(file, null)))
        .as("nobody asks")
        .allMatch(d -> d.error() == null && d.question() == null);
  }

  /** So that another question about the same document is another piece of work. */
  @Test
  void theHashIsThatOfDocumentAndQuestion() throws Exception {
    Path file =
        TestSpark.write(
            folder.resolve("in.jsonl"), "{\"doc_id\":\"a\",\"text\":\"text\",\"asks\":\"why?\"}\n");
    String text = TestSpark.read(TestSpark.input(file, null)).get(0).contentSha256();
    assertThat(text).isEqualTo(sha256("text"));
    assertThat(TestSpark.read(input(file, null)).get(0).contentSha256())
        .isEqualTo(sha256(sha256("text") + sha256("why?")));
  }

  private static String sha256(String text) throws Exception {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
  }

  @Test
  void whereNoColumnFitsTheRunEnds() throws Exception {
    SPARK.sql("select 'a' as doc_id, 'b' as text, 1 as asks").createOrReplaceTempView("numbers");
    assertThatThrownBy(() -> TestSpark.read(input("numbers", "table")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("column 'asks' has the type 'int'; a string or binary is needed");
    SPARK.sql("select 'a' as doc_id, 'b' as text").createOrReplaceTempView("nothing_asked");
    assertThatThrownBy(() -> TestSpark.read(input("nothing_asked", "table")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("there is no column 'asks', but: doc_id, text; check --question");
    Path text = TestSpark.write(folder.resolve("a.txt"), "text");
    assertThatThrownBy(() -> TestSpark.read(input(text, null)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("files of format text have no column 'asks'");
    assertThatThrownBy(() -> new InputOptions("x", null, null, "asks", null, null, "asks"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("question column 'asks' is");
    String out = folder.resolve("parquet").toString();
    SPARK.table("nothing_asked").write().parquet(out);
    assertThat(TestSpark.read(input(out, "parquet")))
        .singleElement()
        .satisfies(d -> assertThat(d.error()).contains("no column 'asks', but: doc_id, text"));
  }
}
