package io.sparsefill.udf;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/** Finds the stored test material; a test that needs it skips, with a word, where it is absent. */
final class GoldenFolders {
  private GoldenFolders() {}

  /** Folders below {@code golden/hf} that hold a checkpoint and its golden results. */
  static List<Path> huggingFace() {
    return folders(Path.of(System.getProperty("sparsefill.golden"), "hf"), "golden.safetensors");
  }

  /** A trained checkpoint by name. */
  static Path model(String name) {
    Path folder = Path.of(System.getProperty("sparsefill.models"), name);
    Assumptions.assumeTrue(Files.isDirectory(folder), () -> "skipped: no model at " + folder);
    return folder;
  }

  private static List<Path> folders(Path root, String file) {
    Assumptions.assumeTrue(Files.isDirectory(root), () -> "skipped: no golden folder at " + root);
    try (Stream<Path> entries = Files.list(root)) {
      List<Path> found =
          entries.filter(folder -> Files.exists(folder.resolve(file))).sorted().toList();
      if (found.isEmpty()) {
        throw new IllegalStateException("No case with a " + file + " below " + root);
      }
      return found;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
