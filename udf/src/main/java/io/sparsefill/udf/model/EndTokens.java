package io.sparsefill.udf.model;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * The tokens by which a model ends what it says: {@code eos_token_id}, a number or a list of them,
 * of generation_config.json, or of config.json where that file is not there or names none, as
 * transformers looks for it.
 */
public final class EndTokens {
  private static final String KEY = "eos_token_id";

  private EndTokens() {}

  /**
   * Reads them.
   *
   * @param folder the model's
   * @return ids in ascending order; none when neither file names one
   * @throws IllegalArgumentException if a file is broken, or an id is none of the model's
   */
  public static Set<Integer> read(Path folder) {
    int vocab = ModelConfig.read(folder).vocab();
    Path generation = folder.resolve("generation_config.json");
    Set<Integer> ends =
        Files.isRegularFile(generation) ? read(ConfigJson.read(generation), vocab) : Set.of();
    return ends.isEmpty() ? read(ConfigJson.read(folder.resolve("config.json")), vocab) : ends;
  }

  private static Set<Integer> read(ConfigJson config, int vocab) {
    Set<Integer> ends = new TreeSet<>();
    if (config.has(KEY)) {
      JsonNode value = config.node(KEY);
      for (JsonNode id : value.isArray() ? value : List.of(value)) {
        if (!id.isIntegralNumber() || !id.canConvertToInt() || id.asInt() < 0) {
          throw config.wrong(KEY, "a token id, a list of them, or null");
        }
        if (id.asInt() >= vocab) {
          throw config.wrong(KEY, "less than the vocabulary's " + vocab);
        }
        ends.add(id.asInt());
      }
    }
    return ends;
  }
}
