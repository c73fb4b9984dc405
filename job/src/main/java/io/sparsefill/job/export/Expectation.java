package io.sparsefill.job.export;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.job.run.UsageException;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * Fields that a run's identity must have, from {@code --expect}: a JSON object of them, or a whole
 * manifest.json of the run that a serving engine was set up with. Fields that it does not name are
 * not compared.
 */
final class Expectation {
  private final String file;
  private final Map<String, String> fields;

  private Expectation(String file, Map<String, String> fields) {
    this.file = file;
    this.fields = fields;
  }

  /**
   * Reads the file.
   *
   * @throws UsageException when it cannot be read or is not such an object
   */
  static Expectation read(Configuration conf, String file) {
    Path path = new Path(file);
    try (InputStream in = path.getFileSystem(conf).open(path)) {
      JsonNode json = new ObjectMapper().readTree(in);
      JsonNode fields = json.path("identity").isObject() ? json.path("identity") : json;
      Map<String, String> expected = new TreeMap<>();
      for (Map.Entry<String, JsonNode> field : fields.properties()) {
        if (!field.getValue().isValueNode()) {
          throw unusable(file, "'" + field.getKey() + "' is " + field.getValue().getNodeType());
        }
        expected.put(field.getKey(), field.getValue().asText());
      }
      if (expected.isEmpty()) {
        throw unusable(file, "it names no field");
      }
      return new Expectation(file, expected);
    } catch (JsonProcessingException e) {
      throw new UsageException(
          "Cannot use --expect " + file + ": it is not JSON: " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw new UsageException("Cannot read --expect " + file + ": " + e.getMessage(), e);
    }
  }

  private static UsageException unusable(String file, String reason) {
    return new UsageException(
        "Cannot use --expect "
            + file
            + ": "
            + reason
            + "; it must be an object of identity fields, as in manifest.json");
  }

  /**
   * Compares.
   *
   * @throws UsageException naming every field that differs, with both values
   */
  void check(Map<String, String> identity, String output) {
    List<String> different = new ArrayList<>();
    List<String> unknown = new ArrayList<>();
    fields.forEach(
        (name, expected) -> {
          String found = identity.get(name);
          if (found == null) {
            unknown.add(name);
          } else if (!found.equals(expected)) {
            different.add(name + " is '" + found + "', expected '" + expected + "'");
          }
        });
    if (!different.isEmpty()) {
      throw new UsageException(
          "Cannot export "
              + output
              + ": it is not what "
              + file
              + " expects: "
              + String.join("; ", different));
    }
    if (!unknown.isEmpty()) {
      throw new UsageException(
          "Cannot export "
              + output
              + ": its identity has no field "
              + String.join(", ", unknown)
              + " that "
              + file
              + " expects; it has "
              + String.join(", ", new TreeMap<>(identity).keySet()));
    }
  }
}
