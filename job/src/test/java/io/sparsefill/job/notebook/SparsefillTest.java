package io.sparsefill.job.notebook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Commands as a notebook runs them: in its session, which stays. */
class SparsefillTest {
  @TempDir Path folder;

  private CommandResult plan(String... more) throws Exception {
    Path input = folder.resolve("a.txt");
    Files.writeString(input, "Here we go. There and back again.");
    List<String> command =
        new ArrayList<>(
            List.of("plan", "--model", Notebooks.MODEL.toString(), "--input", input.toString()));
    command.addAll(List.of(more));
    return Sparsefill.run(command);
  }

  @Test
  void aCommandGivesItsReportAndSummaryAndLeavesTheSession() throws Exception {
    CommandResult result = plan("--backend", "cpu").orThrow();

    assertThat(result.code()).isZero();
    assertThat(new ObjectMapper().readTree(result.summary()).isObject()).isTrue();
    assertThat(result.report()).endsWith(result.summary() + System.lineSeparator());
    assertThat(Notebooks.spark().range(3).count()).isEqualTo(3);
  }

  @Test
  void anErrorOfUsageFailsTheCellWithTheCommandsOwnMessage() throws Exception {
    CommandResult result = plan("--backend", "tpu");

    assertThat(result.code()).isEqualTo(2);
    assertThat(result.messages()).contains("Cannot use --backend tpu");
    assertThatThrownBy(result::orThrow)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith("sparsefill ended with code 2: ")
        .hasMessageContaining("Cannot use --backend tpu");
    assertThatThrownBy(result::summary).hasMessageContaining("Cannot use --backend tpu");
  }
}
