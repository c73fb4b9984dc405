package io.sparsefill.job.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Oracle: a line for each combination and round, and a folder that is as it was. */
class WriteBenchTest {
  @TempDir Path folder;

  @Test
  void everyCombinationGetsItsLineAndNoFileStays() throws Exception {
    PrintStream console = System.out;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    System.setOut(new PrintStream(said, true, StandardCharsets.UTF_8));
    try {
      int code =
          WriteBench.run(
              "--folder", folder.toString(), "--threads", "1,3", "--mb", "9", "--rounds", "2");
      assertThat(code).isZero();
    } finally {
      System.setOut(console);
    }
    assertThat(said.toString(StandardCharsets.UTF_8).lines())
        .filteredOn(line -> line.matches("(uncompressed|zstd) +[13] .*[\\d,]{7,}"))
        .hasSize(8);
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void fp8IsWrittenWithItsScales() throws Exception {
    int code =
        WriteBench.run(
            "--folder", folder.toString(), "--kv-dtype", "fp8", "--mb", "3", "--rounds", "1");
    assertThat(code).isZero();
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void wrongArgumentsAreUsage() throws Exception {
    assertThat(WriteBench.run("--threads", "2")).isEqualTo(2);
    assertThat(WriteBench.run("--folder", folder.toString(), "--kv-compression", "gzip"))
        .isEqualTo(2);
    assertThat(WriteBench.run("--folder", folder.toString(), "--threads", "0")).isEqualTo(2);
    assertThat(WriteBench.run("--folder", folder.toString(), "--kv-dtype", "e5m2")).isEqualTo(2);
    assertThat(folder).isEmptyDirectory();
  }
}
