package io.sparsefill.job.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Oracle: a line for each combination, and sizes in the order that they must have. */
class KvSizeBenchTest {
  @TempDir Path folder;

  @Test
  void everyCombinationGetsItsLine() throws Exception {
    Path text = Files.writeString(folder.resolve("text"), "The sea was calm that day. ".repeat(90));
    String model = System.getProperty("sparsefill.root") + "/conf/models/needle-2m";
    PrintStream console = System.out;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    System.setOut(new PrintStream(said, true, StandardCharsets.UTF_8));
    try {
      int code =
          KvSizeBench.run(
              "--model", model, "--text", text.toString(), "--tokens", "300", "--rounds", "1");
      assertThat(code).isZero();
    } finally {
      System.setOut(console);
    }
    List<String> lines = said.toString(StandardCharsets.UTF_8).lines().skip(2).toList();
    assertThat(lines)
        .extracting(line -> line.replaceAll(" +", " ").replaceAll("^((\\S+ ){3}).*", "$1").strip())
        .containsExactly(
            "bf16 plain none",
            "bf16 plain 1",
            "bf16 planes 1",
            "bf16 plain 3",
            "bf16 planes 3",
            "fp16 plain none",
            "fp16 plain 1",
            "fp16 planes 1",
            "fp16 plain 3",
            "fp16 planes 3",
            "fp8 plain none",
            "fp8 plain 1",
            "fp8 plain 3");
    // 4 layers of 2 heads of 64: fp8 has 64 codes and a scale of 4 bytes for each 128 bytes of
    // bf16.
    assertThat(lines.get(0)).contains("614,400", "1.000");
    assertThat(lines.get(10)).contains("326,400", "0.531");
  }

  @Test
  void wrongArgumentsAreUsage() throws Exception {
    assertThat(KvSizeBench.run("--text", "none")).isEqualTo(2);
    assertThat(KvSizeBench.run("--kv-dtype", "e5m2")).isEqualTo(2);
  }
}
