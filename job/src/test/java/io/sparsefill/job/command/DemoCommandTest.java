package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The demo as users run it; the oracle is what its documents hide. */
class DemoCommandTest {
  @TempDir Path folder;

  @Test
  void everyHiddenAnswerIsRetrievedUnderSparseAttention() throws IOException {
    Path output = folder.resolve("out");
    Cli demo = Cli.run("demo", "--output", output).expect(ExitCode.DONE);

    assertThat(demo.out()).contains("12 of 12 answers retrieved").doesNotContain("  no\n");
    assertThat(demo.json().path("documents").path("ok").asInt()).isEqualTo(8);
    Row longest =
        Cli.rows(output, "documents", "token_count, density, attention", "doc_id = 'needle-16k'")
            .get(0);
    assertThat(longest.getInt(0)).isBetween(15_000, 16_384);
    assertThat(longest.getDouble(1)).isLessThan(0.5);
    assertThat(longest.getString(2)).startsWith("minference");
  }
}
