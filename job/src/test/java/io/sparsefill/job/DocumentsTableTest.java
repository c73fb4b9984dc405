package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;

/** Tables and views through Spark. Oracle: the values that the views are made of. */
class DocumentsTableTest {
  private final SparkSession spark = TestSpark.session();

  @Test
  void textTokensAndErrorsOfAView() throws Exception {
    spark
        .sql(
            "select * from values (1L, 'one', null), (2L, null, array(4, 5)), (3L, null, null), "
                + "(null, 'four', null), (5L, '', null), (6L, 'x', array(1, -1)), "
                + "(7L, 'x', array(1, null)), (8L, 'Zo\u00EB \uD83D\uDE00', null) "
                + "as t(`doc_id`, `te``xt`, token_ids)")
        .coalesce(1)
        .createOrReplaceTempView("documents_table_test");
    InputOptions in =
        new InputOptions("documents_table_test", null, null, "te`xt", null, null, null);
    List<Document> documents = TestSpark.read(in);
    assertThat(documents)
        .extracting(Document::docId)
        .containsExactly("1", "2", "3", "documents_table_test#0-3", "5", "6", "7", "8");
    assertThat(documents.get(0).text()).isEqualTo("one");
    assertThat(documents.get(0).contentSha256()).isEqualTo(DocumentText.of("one").sha256());
    assertThat(documents.get(1).tokenIds()).containsExactly(4, 5);
    assertThat(documents.get(2).error())
        .isEqualTo(
            "Cannot read table documents_table_test, partition 0, row 2: column 'te`xt' "
                + "is null; a string is needed");
    assertThat(documents.get(3).error()).contains("column 'doc_id' is null");
    assertThat(documents.get(4).error()).endsWith("it is empty");
    assertThat(documents.get(5).error()).contains("token 1 of column 'token_ids' is -1");
    assertThat(documents.get(6).error()).contains("token 1 of column 'token_ids' is null");
    assertThat(documents.get(7).text()).isEqualTo("Zo\u00EB \uD83D\uDE00");
  }

  @Test
  void withoutIdColumnRowsAreNumberedAndLimited() throws Exception {
    spark
        .range(0, 100, 1, 4)
        .selectExpr("concat('t', id) as text")
        .createOrReplaceTempView("no_ids");
    List<Document> all = TestSpark.read(TestSpark.input("no_ids", "table"));
    assertThat(all).extracting(Document::docId).hasSize(100).doesNotHaveDuplicates();
    assertThat(all).extracting(Document::source).doesNotHaveDuplicates();
    assertThat(all.get(99).docId()).isEqualTo("no_ids#3-24");
    InputOptions limited = new InputOptions("no_ids", "table", null, null, null, 30, null);
    assertThat(TestSpark.read(limited))
        .extracting(Document::text)
        .isEqualTo(all.subList(0, 30).stream().map(Document::text).toList());
  }

  @Test
  void invalidUtf8IsFound() throws Exception {
    spark
        .sql("select 'a' as doc_id, cast(unhex('41FF') as string) as text")
        .createOrReplaceTempView("invalid_utf8");
    assertThat(TestSpark.read(TestSpark.input("invalid_utf8", "table")))
        .singleElement()
        .satisfies(d -> assertThat(d.error()).contains("byte 1 (0xFF) is not valid UTF-8"));
  }

  @Test
  void columnsThatDoNotFitEndTheRun() {
    spark.sql("select 1.5 as doc_id, 2 as text, 'x' as body").createOrReplaceTempView("unfit");
    assertThatThrownBy(() -> TestSpark.read(TestSpark.input("unfit", "table")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(
            "Cannot read table 'unfit': column 'doc_id' has the type 'decimal(2,1)'");
    assertThatThrownBy(
            () ->
                TestSpark.read(new InputOptions("unfit", "table", "body", null, null, null, null)))
        .hasMessageContaining("column 'text' has the type 'int'; a string or binary is needed");
    assertThatThrownBy(
            () ->
                TestSpark.read(new InputOptions("unfit", "table", "body", "no", null, null, null)))
        .hasMessageContaining(
            "there is no column 'no' and no column 'token_ids', but: doc_id, text, body");
    assertThatThrownBy(
            () ->
                TestSpark.read(
                    new InputOptions("unfit", "table", "name", "body", null, null, null)))
        .hasMessageContaining(
            "there is no column 'name', but: doc_id, text, body; check --id-column");
    assertThatThrownBy(() -> TestSpark.read(TestSpark.input("not_there", "table")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no such table or view; check --input");
  }
}
