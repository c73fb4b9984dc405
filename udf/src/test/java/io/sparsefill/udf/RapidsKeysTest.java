package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The keys of RAPIDS that the files {@code conf/*.conf} set. Oracle: the plugin's own class that
 * defines its keys, as the build compiles against it, in the form for the Spark 4.0 of Databricks
 * 17.3.
 */
class RapidsKeysTest {
  private static final String KEYS = "/spark400db173/com/nvidia/spark/rapids/RapidsConf$.class";

  @Test
  void everyKeyIsOneOfThePluginAndThePluginIsThere() throws IOException {
    String constants;
    try (InputStream in = RapidsKeysTest.class.getResourceAsStream(KEYS)) {
      assertThat(in).as("%s in the jar of RAPIDS", KEYS).isNotNull();
      constants = new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
    }
    Path conf = Path.of(System.getProperty("sparsefill.root"), "conf");
    List<Path> files;
    try (Stream<Path> found = Files.list(conf)) {
      files = found.filter(file -> file.toString().endsWith(".conf")).toList();
    }
    int keys = 0;
    for (Path file : files) {
      Properties properties = new Properties();
      try (Reader in = Files.newBufferedReader(file)) {
        properties.load(in);
      }
      for (String key : properties.stringPropertyNames()) {
        if (key.startsWith("spark.rapids.")) {
          keys++;
          // A constant of the class file: its length in two bytes, then its text.
          String constant = (char) (key.length() >> 8) + "" + (char) (key.length() & 0xff) + key;
          assertThat(constants.contains(constant)).as("%s in %s", key, file).isTrue();
        }
      }
      for (String plugin : properties.getProperty("spark.plugins", "").split(",")) {
        if (plugin.startsWith("com.nvidia.")) {
          assertThat(RapidsKeysTest.class.getResource("/" + plugin.replace('.', '/') + ".class"))
              .as(plugin)
              .isNotNull();
        }
      }
    }
    assertThat(keys).as("keys of RAPIDS in %s", files).isPositive();
  }
}
