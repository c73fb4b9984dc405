package io.sparsefill.job.export;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** Oracle: names written by hand. */
class DocumentFileTest {
  @Test
  void plainIdsStayAndOtherBytesAreEscaped() {
    assertThat(DocumentFile.name("report-7_final.v2")).isEqualTo("report-7_final.v2");
    assertThat(DocumentFile.name("s3://a/b c.txt")).isEqualTo("s3%3A%2F%2Fa%2Fb%20c.txt");
    assertThat(DocumentFile.name("../é%~")).isEqualTo("%2E.%2F%C3%A9%25%7E");
    assertThat(DocumentFile.name("_hidden")).isEqualTo("%5Fhidden");
  }

  @Test
  void longIdsThatBeginAlikeHaveNamesOfTheirOwn() {
    String one = DocumentFile.name("x".repeat(300) + "1");
    String other = DocumentFile.name("x".repeat(300) + "2");
    assertThat(one).hasSize(200).startsWith("x".repeat(167) + "~").isNotEqualTo(other);
    assertThat(DocumentFile.name("x".repeat(200))).isEqualTo("x".repeat(200));
  }
}
