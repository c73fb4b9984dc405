package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run that stores fp8; oracles: the shapes, verify's own pre-fill, and the files' sizes. */
class SmallerCachesTest {
  @TempDir Path folder;

  @Test
  void fp8IsWrittenVerifiedAndPriced() throws Exception {
    Path input = Cli.documents(folder.resolve("in.jsonl"), 3, 150);
    Path output = folder.resolve("out");
    Cli.runOver(input, output, "--emit", "kv", "--kv-dtype", "fp8", "--block-tokens", 64)
        .expect(ExitCode.DONE);

    // needle-2m: 2 KV heads of 64.
    List<Row> rows =
        Cli.rows(
            output,
            "kv",
            "token_count, length(key), length(value), length(key_scale), length(value_scale),"
                + " dtype, encoding",
            "true");
    assertThat(rows).isNotEmpty();
    for (Row row : rows) {
      int tokens = row.getInt(0);
      assertThat(row.getInt(1)).isEqualTo(tokens * 2 * 64).isEqualTo(row.getInt(2));
      assertThat(row.getInt(3)).isEqualTo(tokens * 2 * 4).isEqualTo(row.getInt(4));
      assertThat(row.getString(5)).isEqualTo("fp8");
      assertThat(row.getString(6)).isEqualTo("plain");
    }

    Cli verify = Cli.run("verify", "--output", output, "--sample", 2).expect(ExitCode.DONE);
    assertThat(verify.json().path("ok").asBoolean()).isTrue();

    Cli inspect =
        Cli.run("inspect", "--output", output, "--gpu-price", 6, "--storage-price", 0.046)
            .expect(ExitCode.DONE);
    JsonNode cost = inspect.json().path("kv_cost");
    long bytes = inspect.json().path("bytes").path("kv").asLong();
    double seconds =
        Cli.rows(output, "documents", "sum(prefill_seconds)", "true").get(0).getDouble(0);
    assertThat(cost.path("of_bf16").asDouble())
        .isEqualTo(bytes / (inspect.json().path("tokens").asDouble() * 4 * 2 * 2 * 64 * 2));
    assertThat(cost.path("keeping_dollars_per_month").asDouble()).isEqualTo(bytes / 1e9 * 0.046);
    assertThat(cost.path("computing_again_dollars").asDouble()).isEqualTo(seconds / 3600 * 6);
    assertThat(inspect.out())
        .contains("bytes/token in files", "of bf16's 2,048")
        .contains("$0.046/GB", "$6/h", "reuses a month on");
    assertThat(
            Cli.run("inspect", "--output", output, "--gpu-price", 0).expect(ExitCode.USAGE).err())
        .contains("both must be above 0");
  }
}
