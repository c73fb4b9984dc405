package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.attention.PatternTable;
import io.sparsefill.udf.model.ModelConfig;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
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
    Random random = new Random(1);
    StringBuilder json = new StringBuilder();
    String asked = null;
    String answer = null;
    // A pair of UUIDs is about 75 tokens.
    int pairs = TOKENS / 76;
    for (int i = 0; i < pairs; i++) {
      String key = uuid(random);
      String value = uuid(random);
      json.append(i == 0 ? "" : ", ").append("\"%s\": \"%s\"".formatted(key, value));
      if (i == pairs / 3) {
        asked = key;
        answer = value;
      }
    }
    retrieves(
        "Extract the value corresponding to the specified key in the JSON object below.\n\nJSON data:\n{"
            + json
            + "}\n\nKey: \""
            + asked
            + "\"\nThe value associated with the specified key is: \"",
        answer + "\"",
        0.9); // the slashes of UUIDs lie scattered, and each that lies alone costs a tile
  }

  private static String uuid(Random random) {
    String hex = "%016x%016x".formatted(random.nextLong(), random.nextLong());
    return String.join(
        "-",
        hex.substring(0, 8),
        hex.substring(8, 12),
        hex.substring(12, 16),
        hex.substring(16, 20),
        hex.substring(20));
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
    int[] tokens = encode(model, prompt + answer);
    int[] before = encode(model, prompt);
    int answered = tokens.length - before.length;
    assertThat(Arrays.copyOf(tokens, before.length)).as("the prompt's tokens").isEqualTo(before);
    assertThat(tokens.length).isBetween(TOKENS * 8 / 10, TOKENS * 12 / 10);
    int[] truth = Arrays.copyOfRange(tokens, before.length, tokens.length);

    PrefillResult dense = prefill(options(model, answered), tokens);
    assertThat(argmax(dense, answered)).as("dense").isEqualTo(truth);
    assertThat(dense.density()).isEqualTo(1);

    ModelConfig config = ModelConfig.read(model);
    String patterns =
        PatternTable.uniform(
                new PatternTable.Entry("vertical_and_slash", 100, 800, 1),
                config.layers(),
                config.heads())
            .toJson();
    PrefillResult sparse =
        prefill(options(model, answered).attention("minference").patterns(patterns), tokens);
    assertThat(argmax(sparse, answered)).as("minference").isEqualTo(truth);
    assertThat(sparse.density()).isLessThan(mostDensity);
    assertThat(sparse.attention())
        .as("most heads ran sparsely, the others found dense attention cheaper")
        .matches("minference: 1[0-6] of 16 heads sparse");
  }

  private static PrefillResult prefill(TestOptions options, int[] tokens) throws Exception {
    return options.threads(2).prefill(tokens, null);
  }

  private static TestOptions options(Path model, int answered) {
    return TestOptions.of(model).emit(Emit.LOGITS).lastPositions(answered + 1);
  }

  private static int[] encode(Path model, String text) throws IOException {
    try (TextTokenizer tokenizer = TextTokenizer.open(model, BosPolicy.AUTO)) {
      return tokenizer.encode(text);
    }
  }

  /** The likeliest token after each of the positions before an answer token. */
  private static int[] argmax(PrefillResult result, int answered) {
    int[] best = new int[answered];
    for (int i = 0; i < answered; i++) {
      float[] logits = result.lastLogits()[i];
      for (int id = 0; id < logits.length; id++) {
        best[i] = logits[id] > logits[best[i]] ? id : best[i];
      }
    }
    return best;
  }
}
