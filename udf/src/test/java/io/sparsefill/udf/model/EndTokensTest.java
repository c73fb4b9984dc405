package io.sparsefill.udf.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Oracle: transformers, which takes generation_config.json before config.json. */
class EndTokensTest {
  @TempDir Path folder;

  private void config(String more) throws IOException {
    Files.writeString(
        folder.resolve("config.json"),
        """
        {"model_type": "llama", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
         "num_attention_heads": 1, "vocab_size": 10, "max_position_embeddings": 64,
         "rms_norm_eps": 1e-5%s}
        """
            .formatted(more));
  }

  private void generation(String json) throws IOException {
    Files.writeString(folder.resolve("generation_config.json"), json);
  }

  @Test
  void generationConfigGoesBeforeConfig() throws IOException {
    config("");
    assertThat(EndTokens.read(folder)).isEmpty();
    config(", \"eos_token_id\": 3");
    assertThat(EndTokens.read(folder)).containsExactly(3);
    config(", \"eos_token_id\": [7, 3]");
    assertThat(EndTokens.read(folder)).containsExactly(3, 7);
    generation("{\"do_sample\": true, \"eos_token_id\": [9, 0]}");
    assertThat(EndTokens.read(folder)).containsExactly(0, 9);
    generation("{\"do_sample\": true}");
    assertThat(EndTokens.read(folder)).containsExactly(3, 7);
    generation("{\"eos_token_id\": null}");
    assertThat(EndTokens.read(folder)).containsExactly(3, 7);
  }

  @Test
  void whatIsNoTokenOfTheModelIsAnError() throws IOException {
    config("");
    for (String wrong : new String[] {"\"</s>\"", "-1", "1.5", "[1, \"a\"]"}) {
      generation("{\"eos_token_id\": " + wrong + "}");
      assertThatThrownBy(() -> EndTokens.read(folder))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("eos_token_id")
          .hasMessageContaining("generation_config.json");
    }
    generation("{\"eos_token_id\": 10}");
    assertThatThrownBy(() -> EndTokens.read(folder)).hasMessageContaining("the vocabulary's 10");
    generation("{");
    assertThatThrownBy(() -> EndTokens.read(folder)).hasMessageContaining("not valid JSON");
  }
}
