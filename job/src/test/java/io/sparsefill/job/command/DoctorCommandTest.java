package io.sparsefill.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparsefill.kernels.attention.AttentionMode;
import io.sparsefill.kernels.attention.Refinement;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The doctor on the machine of the tests; oracles: what is known of the bundled model, and of
 * folders made here.
 */
class DoctorCommandTest {
  @TempDir Path folder;

  private static String result(Cli doctor, String check) throws IOException {
    for (JsonNode node : doctor.json().path("checks")) {
      if (node.path("name").asText().equals(check)) {
        return node.path("result").asText() + ": " + node.path("details").asText();
      }
    }
    throw new AssertionError("No check '" + check + "' in " + doctor.out());
  }

  @Test
  void allIsWellWithTheBundledModelAndAWritableFolder() throws IOException {
    Path output = folder.resolve("out");
    Cli doctor = Cli.run("doctor", "--model", Cli.MODEL, "--output", output).expect(ExitCode.DONE);

    assertThat(doctor.json().path("ok").asBoolean()).isTrue();
    assertThat(result(doctor, "model"))
        .isEqualTo("ok: llama, 4 layers, 4 heads, vocabulary 2048, up to 32768 tokens");
    assertThat(result(doctor, "tokenizer")).startsWith("ok: ");
    assertThat(result(doctor, "vector module")).startsWith("ok: ");
    assertThat(result(doctor, "Spark")).startsWith("ok: ");
    assertThat(output).doesNotExist();
  }

  @Test
  void brokenModelAndUnwritableOutputFail() throws IOException {
    Path model = Files.createDirectory(folder.resolve("model"));
    Files.copy(Cli.MODEL.resolve("config.json"), model.resolve("config.json"));
    Path file = Files.writeString(folder.resolve("file"), "");

    Cli doctor =
        Cli.run("doctor", "--model", model, "--output", file.resolve("out")).expect(ExitCode.CRASH);

    assertThat(doctor.json().path("ok").asBoolean()).isFalse();
    assertThat(result(doctor, "model")).startsWith("failed: ").contains("safetensors");
    assertThat(result(doctor, "tokenizer")).startsWith("failed: ").contains("tokenizer.json");
    assertThat(result(doctor, "output")).startsWith("failed: cannot write to");
  }

  /** Oracle: the modes of the parser, and what is known of one of them. */
  @Test
  void attentionModesAreListedWithSizesAndSources() throws IOException {
    Cli doctor = Cli.run("doctor", "--attention").expect(ExitCode.DONE);

    JsonNode modes = doctor.json().path("attention");
    assertThat(modes).hasSize(AttentionMode.values().length);
    for (AttentionMode mode : AttentionMode.values()) {
      assertThat(doctor.out()).contains(mode.form(), mode.source(), mode.summary());
    }
    assertThat(doctor.json().path("refinements")).hasSize(Refinement.values().length);
    for (Refinement refinement : Refinement.values()) {
      assertThat(doctor.out()).contains("MODE" + refinement.form(), refinement.summary());
    }
    JsonNode triShape = modes.get(AttentionMode.TRI_SHAPE.ordinal());
    assertThat(triShape.path("form").asText()).isEqualTo("tri-shape[:INITIAL:LOCAL:LAST]");
    assertThat(triShape.path("defaults").asText()).isEqualTo("128:3968:100");
    assertThat(triShape.path("backends").asText()).isEqualTo("cpu, cuda");
    JsonNode topK = modes.get(AttentionMode.TOP_K.ordinal());
    assertThat(topK.path("backends").asText()).isEqualTo("cpu");
    assertThat(triShape.path("source").asText()).contains("tri_shape_kernel");
  }
}
