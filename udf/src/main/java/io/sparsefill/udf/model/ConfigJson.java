package io.sparsefill.udf.model;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/**
 * One JSON object of a model's file with strict typed access: a value of another type than asked
 * for is an error that names the key and the file, and a key set to {@code null} counts as absent,
 * as it does in transformers.
 */
final class ConfigJson {
  /** Refuses duplicate keys and trailing content, which a lenient parser would settle silently. */
  static final ObjectMapper STRICT =
      JsonMapper.builder()
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private final JsonNode node;
  private final String where;

  private ConfigJson(JsonNode node, String where) {
    this.node = node;
    this.where = where;
  }

  /**
   * Reads a file.
   *
   * @throws IllegalArgumentException if the file is missing or not one JSON object
   * @throws UncheckedIOException if reading fails
   */
  static ConfigJson read(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new IllegalArgumentException(
          "Cannot read "
              + file
              + ": there is no such file; give the folder of a Hugging Face model");
    }
    try {
      return of(STRICT.readTree(Files.readAllBytes(file)), file.toString());
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException(
          "Cannot read " + file + ": it is not valid JSON: " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read " + file + ": " + e.getMessage(), e);
    }
  }

  /** Wraps a parsed object; {@code where} names it in errors. */
  static ConfigJson of(JsonNode node, String where) {
    if (node == null || !node.isObject()) {
      throw new IllegalArgumentException("Cannot read " + where + ": it is not a JSON object");
    }
    return new ConfigJson(node, where);
  }

  /** Whether the key is there with a value other than null. */
  boolean has(String key) {
    return node.hasNonNull(key);
  }

  /** Whether the key is there, null or not. */
  boolean mentions(String key) {
    return node.has(key);
  }

  /** The value, or a missing node. */
  JsonNode node(String key) {
    return node.path(key);
  }

  /** All keys in file order. */
  List<String> keys() {
    List<String> keys = new ArrayList<>();
    for (Iterator<String> names = node.fieldNames(); names.hasNext(); ) {
      keys.add(names.next());
    }
    return keys;
  }

  /** The object under a key. */
  ConfigJson object(String key) {
    if (!node.path(key).isObject()) {
      throw wrong(key, "an object");
    }
    return new ConfigJson(node.path(key), where + ", " + key);
  }

  /** Whether the other object has the same keys and values. */
  boolean sameAs(ConfigJson other) {
    return node.equals(other.node);
  }

  String text(String key, String absent) {
    if (!has(key)) {
      return absent;
    }
    if (!node.path(key).isTextual()) {
      throw wrong(key, "a string");
    }
    return node.path(key).asText();
  }

  boolean flag(String key, boolean absent) {
    if (!has(key)) {
      return absent;
    }
    if (!node.path(key).isBoolean()) {
      throw wrong(key, "true or false");
    }
    return node.path(key).asBoolean();
  }

  /** A positive int that must be there. */
  int size(String key) {
    if (!has(key)) {
      throw missing(key);
    }
    JsonNode value = node.path(key);
    if (!value.isIntegralNumber() || !value.canConvertToInt() || value.asInt() < 1) {
      throw wrong(key, "a positive integer");
    }
    return value.asInt();
  }

  int size(String key, int absent) {
    return has(key) ? size(key) : absent;
  }

  /** A finite number that must be there. */
  double number(String key) {
    if (!has(key)) {
      throw missing(key);
    }
    if (!node.path(key).isNumber() || !Double.isFinite(node.path(key).asDouble())) {
      throw wrong(key, "a finite number");
    }
    return node.path(key).asDouble();
  }

  double number(String key, double absent) {
    return has(key) ? number(key) : absent;
  }

  /** A number greater than zero that must be there. */
  double positive(String key) {
    double value = number(key);
    if (value <= 0) {
      throw wrong(key, "a number greater than 0");
    }
    return value;
  }

  double positive(String key, double absent) {
    return has(key) ? positive(key) : absent;
  }

  /** A list of numbers greater than zero that must be there. */
  List<Double> positives(String key) {
    if (!has(key)) {
      throw missing(key);
    }
    List<Double> values = new ArrayList<>();
    for (JsonNode value : node.path(key)) {
      if (!value.isNumber() || !(value.asDouble() > 0) || !Double.isFinite(value.asDouble())) {
        throw wrong(key, "a list of numbers greater than 0");
      }
      values.add(value.asDouble());
    }
    if (values.isEmpty()) {
      throw wrong(key, "a list of numbers greater than 0");
    }
    return List.copyOf(values);
  }

  /** A list of strings, or null when absent. */
  List<String> textsOrNull(String key) {
    if (!has(key)) {
      return null;
    }
    if (!node.path(key).isArray()) {
      throw wrong(key, "a list of strings");
    }
    List<String> values = new ArrayList<>();
    for (JsonNode value : node.path(key)) {
      if (!value.isTextual()) {
        throw wrong(key, "a list of strings");
      }
      values.add(value.asText());
    }
    return List.copyOf(values);
  }

  /** The error for an absent key. */
  IllegalArgumentException missing(String key) {
    return new IllegalArgumentException("Cannot read " + where + ": '" + key + "' is missing");
  }

  /** The error for a value that cannot be taken. */
  IllegalArgumentException wrong(String key, String accepted) {
    return new IllegalArgumentException(
        "Cannot read %s: '%s' is %s; accepted: %s".formatted(where, key, node.path(key), accepted));
  }

  /** The error for something else about this object. */
  IllegalArgumentException error(String reason) {
    return new IllegalArgumentException("Cannot read " + where + ": " + reason);
  }
}
