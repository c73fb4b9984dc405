package io.sparsefill.job.notebook;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The form that Databricks reads: https://docs.databricks.com, "Export and import notebooks",
 * source format.
 */
class NotebookFilesTest {
  static Stream<Path> notebooks() throws IOException {
    try (Stream<Path> files = Files.list(NotebookFile.FOLDER)) {
      return files.sorted().toList().stream();
    }
  }

  @Test
  void thereIsOneOfEachLanguageAndPythonForTheFourTasks() throws IOException {
    assertThat(notebooks().map(file -> file.getFileName().toString()))
        .contains(
            "prefill_corpus.py",
            "sparsity.py",
            "compare_modes.py",
            "reuse_cache.py",
            "cache_drift.scala",
            "score_and_explore.sql");
  }

  @ParameterizedTest
  @MethodSource("notebooks")
  void itIsInSourceFormatAndTeaches(Path file) throws IOException {
    NotebookFile notebook = NotebookFile.read(file);
    assertThat(notebook.text()).startsWith(notebook.header()).endsWith("\n");
    List<String> cells = notebook.cells();
    assertThat(cells).hasSizeGreaterThan(8).allSatisfy(cell -> assertThat(cell).isNotBlank());
    assertThat(cells.get(0)).startsWith(notebook.comment() + " MAGIC %md\n");
    assertThat(cells.get(0)).contains("MAGIC # ", "laptop");
    String magic = notebook.comment() + " MAGIC";
    for (String cell : cells) {
      if (notebook.isMarkdown(cell)) {
        assertThat(cell.lines()).allSatisfy(line -> assertThat(line).startsWith(magic));
      } else {
        assertThat(cell).doesNotContain(magic, "COMMAND");
      }
    }
    long taught = cells.stream().filter(notebook::isMarkdown).count();
    assertThat(taught).as("cells of Markdown").isGreaterThanOrEqualTo(cells.size() / 3);
  }
}
