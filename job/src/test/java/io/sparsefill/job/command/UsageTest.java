package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sparsefill.job.output.Inspection;
import io.sparsefill.kernels.cuda.CudaBackend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Errors of usage: exit code 2, one line on standard error that says what is wrong, nothing
 * written.
 */
class UsageTest {
  @TempDir Path folder;
  private Path input;
  private Path output;

  @BeforeEach
  void input() throws IOException {
    input = Cli.documents(folder.resolve("in.jsonl"), 2, 20);
    output = folder.resolve("out");
  }

  private void refused(Cli cli, String... messageParts) {
    cli.expect(ExitCode.USAGE);
    assertThat(cli.out()).isEmpty();
    assertThat(cli.err().strip().lines()).as(cli.err()).hasSize(1);
    assertThat(cli.err()).startsWith("sparsefill: ").contains(messageParts);
    assertThat(cli.err()).doesNotContain("Exception");
    assertThat(output).doesNotExist();
  }

  @Test
  void unknownOptionNamesTheNearest() {
    refused(Cli.runOver(input, output, "--max-token", "5"), "--max-token", "--max-tokens");
  }

  @Test
  void unknownCommand() {
    refused(Cli.run("rum"), "rum", "run");
  }

  @Test
  void noCommandPrintsTheCommandsThereAre() {
    Cli cli = Cli.run().expect(ExitCode.USAGE);
    assertThat(cli.err())
        .contains(
            "run",
            "plan",
            "inspect",
            "history",
            "retain",
            "verify",
            "make-calibration",
            "search-patterns",
            "doctor",
            "demo",
            "eval");
  }

  @Test
  void helpOfRunHasEveryOptionAndIsNoError() {
    Cli cli = Cli.run("run", "--help").expect(ExitCode.DONE);
    for (io.sparsefill.job.run.RunOption option : io.sparsefill.job.run.RunOption.values()) {
      assertThat(cli.out()).contains(option.flag());
    }
  }

  @Test
  void missingOption() {
    refused(Cli.run("run", "--input", input, "--output", output), "--model is missing");
  }

  @Test
  void badValue() {
    refused(
        Cli.runOver(input, output, "--kv-dtype", "int8"),
        "--kv-dtype int8",
        "bf16, fp16, fp32 and fp8");
    refused(Cli.runOver(input, output, "--attention", "flash"), "'flash'", "a-shape");
    refused(
        Cli.runOver(input, output, "--attention", "static:30:50"),
        "Cannot run --attention static:30:50",
        "first document that an engine sees");
    refused(Cli.runOver(input, output, "--backend", "tpu"), "--backend tpu", "cuda", "cpu");
    refused(Cli.runOver(input, output, "--emit", "kv", "--full-logits"), "--full-logits", "kv");
  }

  @Test
  void cudaWhereThereIsNone() {
    assumeTrue(CudaBackend.unavailable().isPresent(), "there is a GPU");
    refused(Cli.runOver(input, output, "--backend", "cuda"), "cuda", "cpu");
  }

  @Test
  void theCpuIsRefusedWhereAGpuIsRequired() {
    refused(Cli.runOver(input, output, "--require-gpu", "--backend", "cpu"), "cpu (as asked for)");
    if (CudaBackend.unavailable().isPresent()) {
      String reason = CudaBackend.unavailable().get();
      refused(Cli.runOver(input, output, "--require-gpu"), "--require-gpu", "cpu", reason);
      refused(
          Cli.run("plan", "--model", Cli.MODEL, "--input", input, "--require-gpu"),
          "--require-gpu",
          reason);
    }
  }

  /** Oracles: the device in the documents' rows, and the time that one GPU can have had. */
  @Test
  void aRequiredGpuPrefillsEveryDocument() throws Exception {
    assumeTrue(CudaBackend.unavailable().isEmpty(), () -> CudaBackend.unavailable().get());
    long begun = System.nanoTime();
    Cli.runOver(input, output, "--require-gpu").expect(ExitCode.DONE);
    double seconds = (System.nanoTime() - begun) / 1e9;
    assertThat(
            Inspection.manifest(Cli.spark().sparkContext().hadoopConfiguration(), output.toString())
                .runs()
                .get(0)
                .throughput()
                .slotSeconds())
        .isLessThan(seconds);
    assertThat(Cli.rows(output, "documents", "device", "true"))
        .hasSize(2)
        .allMatch(row -> row.getString(0).startsWith("cuda ("));
  }

  @Test
  void unknownConfigurationKey() {
    Cli.spark().conf().set("spark.sparsefill.kv-dtyp", "fp16");
    try {
      refused(Cli.runOver(input, output), "spark.sparsefill.kv-dtyp", "spark.sparsefill.kv-dtype");
    } finally {
      Cli.spark().conf().unset("spark.sparsefill.kv-dtyp");
    }
  }

  @Test
  void missingModelFolderOrBrokenModel() throws IOException {
    refused(
        Cli.run("run", "--model", folder.resolve("none"), "--input", input, "--output", output),
        "Cannot read model",
        "none");

    Path broken = Files.createDirectory(folder.resolve("broken"));
    for (String name : new String[] {"config.json", "tokenizer.json", "model.safetensors"}) {
      Files.copy(Cli.MODEL.resolve(name), broken.resolve(name));
    }
    byte[] weights = Files.readAllBytes(broken.resolve("model.safetensors"));
    Files.write(
        broken.resolve("model.safetensors"),
        java.util.Arrays.copyOf(weights, weights.length - 1000));
    refused(
        Cli.run("run", "--model", broken, "--input", input, "--output", output),
        "Cannot use model",
        "model.safetensors");
  }

  @Test
  void missingInput() {
    refused(Cli.runOver(folder.resolve("nothing.jsonl"), folder.resolve("o2")), "nothing.jsonl");
  }

  @Test
  void anotherMasterThanTheOneThatIsSet() {
    refused(Cli.runOver(input, output, "--master", "local[7]"), "local[7]", "local[2]");
  }

  @Test
  void outputThatCannotBeWritten() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "not a folder");
    refused(Cli.runOver(input, file.resolve("out")), "--output");
    assertThat(file).hasContent("not a folder");
  }

  @Test
  void outputOfAnotherFingerprintNamesWhatDiffers() throws IOException {
    Path made = folder.resolve("made");
    Cli.runOver(input, made, "--attention", "dense").expect(ExitCode.DONE);
    refused(
        Cli.runOver(input, made, "--attention", "dense", "--kv-dtype", "fp16"),
        "kv_dtype: 'bf16' there, 'fp16' here",
        "choose another --output");
  }

  @Test
  void verifyWithAnotherModel() throws IOException {
    Path made = folder.resolve("made");
    Cli.runOver(input, made).expect(ExitCode.DONE);
    Path other = Files.createDirectory(folder.resolve("other"));
    for (String name : new String[] {"tokenizer.json", "model.safetensors"}) {
      Files.copy(Cli.MODEL.resolve(name), other.resolve(name));
    }
    String config = Files.readString(Cli.MODEL.resolve("config.json"));
    Files.writeString(other.resolve("config.json"), config.replace("1e-05", "1e-06"));
    refused(
        Cli.run("verify", "--output", made, "--model", other), "model_config_sha256", "--model");
  }

  @Test
  void inspectAndVerifyOfAFolderWithoutOutput() {
    refused(Cli.run("inspect", "--output", folder), folder.toString());
    refused(Cli.run("history", "--output", folder), folder.toString());
    refused(Cli.run("retain", "--output", folder), folder.toString());
    refused(Cli.run("retain", "--output", folder, "--dry-run"), folder.toString());
    refused(Cli.run("verify", "--output", folder), folder.toString());
  }

  /** As Spark reports a task whose disk was full. */
  @Test
  void crashIsOneLineWithTheInnermostCause() {
    assertThat(
            SparsefillCommand.crash(
                """
                Job aborted due to stage failure: Unable to close resource
                \tat org.apache.parquet.Writer.close(Writer.java:1)
                Caused by: java.io.UncheckedIOException: outer
                \tat a.b.C.d(C.java:2)
                Caused by: java.io.IOException: No space left on device
                \t... 36 more

                Driver stacktrace:
                """))
        .isEqualTo(
            "Job aborted due to stage failure: Unable to close resource"
                + "; caused by java.io.IOException: No space left on device");
    assertThat(SparsefillCommand.crash("it broke")).isEqualTo("it broke");
  }
}
