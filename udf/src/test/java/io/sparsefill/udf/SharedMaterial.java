package io.sparsefill.udf;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Finds the test material that lies beside the project; a test without it is skipped and says why.
 */
public final class SharedMaterial {
  private SharedMaterial() {}

  /**
   * Folders of {@code golden/hf} that hold a checkpoint and what transformers computed for it; at
   * least one.
   */
  public static List<Path> goldenModels() throws IOException {
    Path root = folder("sparsefill.golden").resolve("hf");
    orSkip(Files.isDirectory(root), "skipped: there is no folder " + root);
    try (Stream<Path> folders = Files.list(root)) {
      List<Path> models =
          folders
              .filter(f -> Files.exists(f.resolve("config.json")))
              .filter(f -> Files.exists(f.resolve("golden.safetensors")))
              .sorted()
              .toList();
      if (models.isEmpty()) {
        throw new IllegalStateException(root + " holds no model with golden results");
      }
      return models;
    }
  }

  /** A trained checkpoint; the bundled one is always there. */
  public static Path model(String name) {
    Path bundled = Path.of(System.getProperty("sparsefill.root", ""), "conf", "models", name);
    if (Files.isDirectory(bundled)) {
      return bundled;
    }
    Path model = folder("sparsefill.models").resolve(name);
    orSkip(Files.isDirectory(model), "skipped: there is no folder " + model);
    return model;
  }

  /** A novel. */
  public static Path text(String name) {
    Path text = folder("sparsefill.texts").resolve(name);
    orSkip(Files.isRegularFile(text), "skipped: there is no file " + text);
    return text;
  }

  private static Path folder(String property) {
    String value = System.getProperty(property);
    orSkip(value != null, "skipped: the system property " + property + " is not set");
    Path folder = Path.of(value);
    orSkip(Files.isDirectory(folder), "skipped: there is no folder " + folder);
    return folder;
  }

  /**
   * Skips the calling test unless something is there; prints the reason, which Surefire does not,
   * and which a parameterized test without parameters would not even count.
   */
  public static void orSkip(boolean found, String reason) {
    if (!found) {
      System.out.println(reason);
    }
    assumeTrue(found, reason);
  }
}
