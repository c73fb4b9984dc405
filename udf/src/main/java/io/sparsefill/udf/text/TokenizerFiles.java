package io.sparsefill.udf.text;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.sparsefill.udf.model.ModelConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a model's folder says about its special tokens.
 *
 * @param folder the folder
 * @param json text of tokenizer.json
 * @param specialTokens added special tokens of tokenizer.json, name to id
 * @param config tokenizer_config.json, a missing node when the folder has none
 */
record TokenizerFiles(
    Path folder, String json, Map<String, Integer> specialTokens, JsonNode config) {
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * Reads the files.
   *
   * @throws IllegalArgumentException if tokenizer.json is missing or one of the files is not valid
   *     JSON
   * @throws UncheckedIOException if a file cannot be read
   */
  static TokenizerFiles read(Path folder) {
    Path tokenizer = folder.resolve("tokenizer.json");
    if (!Files.isRegularFile(tokenizer)) {
      throw new IllegalArgumentException(
          "Cannot open the tokenizer of %s: there is no tokenizer.json; save one with transformers (AutoTokenizer, use_fast), or give documents as token ids"
              .formatted(folder));
    }
    String json = text(tokenizer);
    Path config = folder.resolve("tokenizer_config.json");
    JsonNode configJson = MissingNode.getInstance();
    if (Files.isRegularFile(config)) {
      try {
        configJson = JSON.readTree(text(config));
      } catch (JsonProcessingException e) {
        throw broken(config, e);
      }
    }
    return new TokenizerFiles(folder, json, specialTokens(tokenizer, json), configJson);
  }

  /**
   * Id of a special token that tokenizer_config.json names ({@code bos_token}), or null if it names
   * none.
   */
  Integer configuredToken(String key) {
    JsonNode token = config.path(key);
    String name = token.isObject() ? token.path("content").asText() : token.asText();
    if (token.isMissingNode() || token.isNull()) {
      return null;
    }
    Integer id = specialTokens.get(name);
    if (id == null) {
      throw new IllegalArgumentException(
          "Cannot open the tokenizer of %s: %s '%s' of tokenizer_config.json is not among the special added_tokens of tokenizer.json %s"
              .formatted(folder, key, name, specialTokens.keySet()));
    }
    return id;
  }

  /** {@code bos_token_id} of config.json, or null if there is none or no such file. */
  Integer modelBosId() {
    return Files.isRegularFile(folder.resolve("config.json"))
        ? ModelConfig.read(folder).bosTokenId()
        : null;
  }

  /** Name of a special token, or its number if it is not one. */
  String nameOf(int id) {
    for (Map.Entry<String, Integer> token : specialTokens.entrySet()) {
      if (token.getValue() == id) {
        return token.getKey();
      }
    }
    return Integer.toString(id);
  }

  /** Streams over the file, because vocabulary and merges beside the list may have 20 MB. */
  private static Map<String, Integer> specialTokens(Path file, String json) {
    Map<String, Integer> tokens = new LinkedHashMap<>();
    try (JsonParser parser = new JsonFactory().createParser(json)) {
      parser.setCodec(JSON);
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw new IllegalArgumentException("Cannot read " + file + ": it is not a JSON object");
      }
      for (String key = parser.nextFieldName(); key != null; key = parser.nextFieldName()) {
        parser.nextToken();
        if (key.equals("added_tokens")) {
          for (JsonNode token : parser.<JsonNode>readValueAsTree()) {
            if (token.path("special").asBoolean()) {
              tokens.put(token.path("content").asText(), token.path("id").asInt());
            }
          }
        } else {
          parser.skipChildren();
        }
      }
    } catch (JsonProcessingException e) {
      throw broken(file, e);
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read " + file + ": " + e.getMessage(), e);
    }
    return tokens;
  }

  private static IllegalArgumentException broken(Path file, JsonProcessingException e) {
    return new IllegalArgumentException(
        "Cannot read " + file + ": it is not valid JSON: " + e.getOriginalMessage(), e);
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read " + file + ": " + e.getMessage(), e);
    }
  }
}
