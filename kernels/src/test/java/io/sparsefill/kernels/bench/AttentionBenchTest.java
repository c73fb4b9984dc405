package io.sparsefill.kernels.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The benchmark's own checks pass on the CPU backend, and its figures reach the file. */
class AttentionBenchTest {
  @TempDir Path folder;

  @Test
  void checksAndWritesEveryPattern() throws Exception {
    Path file = folder.resolve("attention.json");
    int code =
        AttentionBench.run(
            "--backend",
            "cpu",
            "--threads",
            "2",
            "--heads",
            "2",
            "--kv-heads",
            "1",
            "--head-dim",
            "64",
            "--lengths",
            "1100",
            "--rounds",
            "1",
            "--json",
            file.toString());
    assertThat(code).isZero();
    JsonNode tables = new ObjectMapper().readTree(file.toFile()).get("tables");
    assertThat(tables.get("Dense")).hasSize(1);
    JsonNode patterns = tables.get("Vertical-slash, ms per head");
    assertThat(patterns).hasSize(HistogramPattern.LLAMA_3_8B_262K.size());
    double shares = 0;
    for (JsonNode row : patterns) {
      assertThat(row.get("index + attention").asDouble()).isPositive();
      assertThat(row.get("error").asDouble()).isBetween(0.0, 1e-2);
      shares += row.get("share of heads").asDouble();
    }
    assertThat(shares).isEqualTo(1);
  }

  @Test
  void wrongSizesAreUsageErrors() throws Exception {
    assertThat(AttentionBench.run("--lengths", "64")).isEqualTo(2);
    assertThat(AttentionBench.run("--head-dim", "96")).isEqualTo(2);
    assertThat(AttentionBench.run("--heads", "5", "--kv-heads", "2")).isEqualTo(2);
  }
}
