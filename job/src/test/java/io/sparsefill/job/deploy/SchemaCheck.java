package io.sparsefill.job.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * Checks a YAML file against a schema among this package's resources, in the part of JSON Schema
 * that these use: type, properties, required, items, enum, minimum, additionalProperties and {@code
 * $ref} to {@code #/$defs}. Other than in JSON Schema, a property that is not listed is a mistake,
 * and there is a type {@code interpolation}: a text that is one <code>${...}</code>.
 */
final class SchemaCheck {
  private final JsonNode definitions;
  private final List<String> problems = new ArrayList<>();

  private SchemaCheck(JsonNode definitions) {
    this.definitions = definitions;
  }

  /** What is wrong, each with its place; empty if nothing is. */
  static List<String> problems(String schemaFile, JsonNode value) throws IOException {
    try (InputStream in = SchemaCheck.class.getResourceAsStream(schemaFile)) {
      JsonNode schema = new ObjectMapper().readTree(in);
      SchemaCheck check = new SchemaCheck(schema.path("$defs"));
      check.check(schema, value, "");
      return check.problems;
    }
  }

  private void check(JsonNode schema, JsonNode value, String place) {
    if (schema.has("$ref")) {
      String name = schema.get("$ref").asText().substring("#/$defs/".length());
      check(definitions.required(name), value, place);
      return;
    }
    if (schema.has("type") && types(schema).stream().noneMatch(type -> isA(type, value))) {
      problems.add(place + " is not of type " + schema.get("type") + ": " + value);
      return;
    }
    if (schema.has("enum") && !contains(schema.get("enum"), value)) {
      problems.add(place + " is none of " + schema.get("enum") + ": " + value);
    }
    if (schema.has("minimum") && value.isInt() && value.asInt() < schema.get("minimum").asInt()) {
      problems.add(place + " is below " + schema.get("minimum") + ": " + value);
    }
    if (value.isArray() && schema.has("items")) {
      for (int i = 0; i < value.size(); i++) {
        check(schema.get("items"), value.get(i), place + "[" + i + "]");
      }
    }
    if (value.isObject() && (schema.has("properties") || schema.has("additionalProperties"))) {
      checkProperties(schema, value, place);
    }
  }

  private void checkProperties(JsonNode schema, JsonNode value, String place) {
    for (JsonNode name : schema.path("required")) {
      if (!value.has(name.asText())) {
        problems.add(place + " has no " + name.asText());
      }
    }
    value
        .properties()
        .forEach(
            field -> {
              String inside = place + "." + field.getKey();
              JsonNode known = schema.path("properties").get(field.getKey());
              JsonNode other = schema.get("additionalProperties");
              if (known == null && other == null) {
                Set<String> names = new TreeSet<>();
                schema.path("properties").fieldNames().forEachRemaining(names::add);
                problems.add(inside + " is unknown; there are " + names);
              } else {
                check(known != null ? known : other, field.getValue(), inside);
              }
            });
  }

  private static List<String> types(JsonNode schema) {
    JsonNode type = schema.get("type");
    if (type.isTextual()) {
      return List.of(type.asText());
    }
    List<String> types = new ArrayList<>();
    type.forEach(each -> types.add(each.asText()));
    return types;
  }

  private static boolean isA(String type, JsonNode value) {
    return switch (type) {
      case "object" -> value.isObject();
      case "array" -> value.isArray();
      case "string" -> value.isTextual();
      case "integer" -> value.isIntegralNumber();
      case "boolean" -> value.isBoolean();
      case "interpolation" -> value.isTextual() && value.asText().matches("\\$\\{[^${}]+}");
      default -> throw new IllegalArgumentException("The schema has an unknown type " + type);
    };
  }

  private static boolean contains(JsonNode values, JsonNode value) {
    for (JsonNode each : values) {
      if (each.equals(value)) {
        return true;
      }
    }
    return false;
  }
}
