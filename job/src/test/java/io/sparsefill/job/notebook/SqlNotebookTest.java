package io.sparsefill.job.notebook;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.udf.sql.SparsefillFunctions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code score_and_explore.sql} statement by statement, over a run of the demo. */
class SqlNotebookTest {
  @TempDir Path folder;

  private SparkSession session;

  /** What a statement gave. */
  private record Answer(String statement, List<Row> rows) {}

  private List<Answer> run(Path output) throws Exception {
    List<Answer> answers = new ArrayList<>();
    NotebookFile notebook = NotebookFile.read(NotebookFile.FOLDER.resolve("score_and_explore.sql"));
    for (String cell : notebook.code()) {
      for (String statement : cell.split(";\\s*(\n|$)")) {
        // The two parameters, as a user would change them.
        String ours =
            statement
                .replace("= conf/models/needle-2m", "= " + Notebooks.MODEL)
                .replace("= out/demo", "= " + output);
        answers.add(new Answer(ours, session.sql(ours).collectAsList()));
      }
    }
    return answers;
  }

  private static List<Row> rows(List<Answer> answers, String part) {
    List<Answer> found =
        answers.stream().filter(answer -> answer.statement().contains(part)).toList();
    assertThat(found).as(part).hasSize(1);
    return found.get(0).rows();
  }

  @Test
  void everyStatementRunsAndSaysWhatItPromises() throws Exception {
    Notebooks.spark();
    Path output = folder.resolve("demo");
    Sparsefill.run("demo", "--backend", "cpu", "--output", output.toString()).orThrow();
    session = Notebooks.spark().newSession();
    SparsefillFunctions.registerAll(session);
    List<Answer> answers;
    try {
      answers = run(output);
    } finally {
      session.sql("UNCACHE TABLE IF EXISTS vectors");
    }

    assertThat(answers).hasSizeGreaterThan(14);
    assertThat(rows(answers, "FROM scores ORDER BY nll"))
        .extracting(row -> row.getString(0))
        .as("from what is expected to what surprises")
        .containsExactly("repeated", "passage", "sorted");
    assertThat(rows(answers, "posexplode"))
        .as("three tokens for each of three texts")
        .hasSize(9)
        .allSatisfy(row -> assertThat(row.getDouble(3)).isBetween(0.0, 1.0));
    assertThat(rows(answers, "AS cosine"))
        .hasSize(3)
        .allSatisfy(row -> assertThat(row.getDouble(2)).isBetween(-1.0, 1.0));
    List<Row> byStatus = rows(answers, "AS an_error");
    assertThat(byStatus).hasSize(1);
    assertThat(byStatus.get(0).getString(0)).isEqualTo("ok");
    assertThat(byStatus.get(0).getLong(1)).isEqualTo(8);
    assertThat(rows(answers, "AS tokens_from")).hasSizeBetween(3, 4);
    List<Row> sizes = rows(answers, "AS bytes_per_token");
    assertThat(sizes)
        .hasSize(8)
        .allSatisfy(
            row -> {
              assertThat(row.getLong(1)).isEqualTo(4);
              // keys and values, 4 layers, 2 heads of 64 numbers of 2 bytes
              assertThat(row.getDouble(3)).isEqualTo(2 * 4 * 2 * 64 * 2);
            });
    assertThat(rows(answers, "AS stored")).as("documents with missing blocks").isEmpty();
    assertThat(rows(answers, "AS likeliest")).hasSize(8);
  }
}
