package io.sparsefill.job.deploy;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;

/** Reads the files of the folder {@code conf} as those who use them do. */
public final class ConfFiles {
  /** The folder. */
  public static final Path FOLDER = Path.of(System.getProperty("sparsefill.root"), "conf");

  private ConfFiles() {}

  /** A file of Spark's configuration, as Spark reads it: Java properties. */
  public static Map<String, String> properties(Path file) throws IOException {
    Properties properties = new Properties();
    try (Reader in = Files.newBufferedReader(file)) {
      properties.load(in);
    }
    Map<String, String> conf = new TreeMap<>();
    properties.forEach((key, value) -> conf.put(key.toString(), value.toString().strip()));
    return conf;
  }

  /** A YAML file; the same key twice is an error. */
  static JsonNode yaml(String name) throws IOException {
    YAMLMapper mapper =
        YAMLMapper.builder().enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION).build();
    return mapper.readTree(FOLDER.resolve(name).toFile());
  }

  /** The texts of an array. */
  static List<String> texts(JsonNode array) {
    List<String> texts = new ArrayList<>();
    array.forEach(each -> texts.add(each.asText()));
    return texts;
  }

  /** The texts of an object's fields. */
  static Map<String, String> map(JsonNode object) {
    Map<String, String> map = new TreeMap<>();
    object.properties().forEach(field -> map.put(field.getKey(), field.getValue().asText()));
    return map;
  }
}
