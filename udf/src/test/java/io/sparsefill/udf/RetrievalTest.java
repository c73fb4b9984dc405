package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.attention.PatternTable;
import io.sparsefill.udf.model.ModelConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/**
 * A trained model finds what is hidden in about 4,000 tokens, densely and with MInference's sparse
 * attention. The oracle is the truth: each answer token must be the argmax where it is due. The
 * prompts are those the model was trained on; it is right on most of them, and the seeds here are
 * such.
 */
class RetrievalTest {
  private static final int TOKENS = 4_000;

  @Test
  void keyValueInJson() throws Exception {
    KeyValuePrompt json = KeyValuePrompt.of(TOKENS, 1);
    // The slashes of UUIDs lie scattered, and each that lies alone costs a tile.
    retrieves(json.prompt(), json.answer(), 0.9);
  }

  @Test
  void needleInANovel() throws Exception {
    Path novel = SharedMaterial.text("Cbronte_Shirley_1849.txt");
    String text = Files.readString(novel).substring(20_000, 20_000 + 3 * TOKENS);
    int at = text.indexOf(". ", text.length() / 3) + 1;
    String needle = " One of the special magic numbers for amber-anchor is: 4071852.";
    retrieves(
        "Some special magic numbers are hidden within the following text. Make sure to memorize it."
            + " I will quiz you about the numbers afterwards.\n"
            + text.substring(0, at)
            + needle
            + text.substring(at)
            + "\nWhat is the special magic number for amber-anchor mentioned in the provided text?"
            + " The special magic number for amber-anchor mentioned in the provided text is",
        " 4071852.",
        0.6);
  }

  private static void retrieves(String prompt, String answer, double mostDensity) throws Exception {
    Path model = SharedMaterial.model("needle-2m");
    AnsweredPrompt asked = AnsweredPrompt.of(model, prompt, answer);
    assertThat(asked.tokens().length).isBetween(TOKENS * 8 / 10, TOKENS * 12 / 10);

    PrefillResult dense = asked.prefill(TestOptions.of(model).threads(2));
    assertThat(asked.argmax(dense)).as("dense").isEqualTo(asked.truth());
    assertThat(dense.density()).isEqualTo(1);

    ModelConfig config = ModelConfig.read(model);
    String patterns =
        PatternTable.uniform(
                new PatternTable.Entry("vertical_and_slash", 100, 800, 1),
                config.layers(),
                config.heads())
            .toJson();
    PrefillResult sparse =
        asked.prefill(TestOptions.of(model).attention("minference").patterns(patterns).threads(2));
    assertThat(asked.argmax(sparse)).as("minference").isEqualTo(asked.truth());
    assertThat(sparse.density()).isLessThan(mostDensity);
    assertThat(sparse.attention())
        .as("most heads ran sparsely, the others found dense attention cheaper")
        .matches("minference: 1[0-6] of 16 heads sparse");
  }
}
