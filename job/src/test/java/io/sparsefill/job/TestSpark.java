package io.sparsefill.job;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.sql.SparkSession;

/** The one Spark session of this package's tests, and how they read with it. */
final class TestSpark {
  private TestSpark() {}

  /**
   * Two slots. Kryo, as many clusters have it: it cannot handle records, so what passes with it
   * also passes with Spark's default.
   */
  static SparkSession session() {
    return SparkSession.builder()
        .master("local[2]")
        .appName("sparsefill-tests")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.adaptive.enabled", "true")
        .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
        .getOrCreate();
  }

  /** Default columns, all documents. */
  static InputOptions input(Object input, String format) {
    return new InputOptions(input.toString(), format, null, null, null, null, null);
  }

  /** The documents of an input, collected in source order. */
  static List<Document> read(InputOptions in) throws IOException {
    return Documents.read(session(), in).map(JavaBytes::of).collect().stream()
        .map(bytes -> JavaBytes.read(bytes, Document.class))
        .toList();
  }

  static Path write(Path file, String text) throws IOException {
    return write(file, text.getBytes(StandardCharsets.UTF_8));
  }

  static Path write(Path file, byte[] bytes) throws IOException {
    Files.createDirectories(file.getParent());
    return Files.write(file, bytes);
  }
}
