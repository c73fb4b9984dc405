package io.sparsefill.job.command;

import io.sparsefill.job.run.UsageException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Finds the project's {@code conf} folder with the demo model: below {@code $SPARSEFILL_HOME} (the
 * launcher sets it), else beside the jar or in a folder above it.
 */
final class ConfFolder {
  /**
   * How far above the jar the search goes: a jar in job/target of a checkout, or in lib of an
   * installation.
   */
  private static final int LEVELS = 4;

  private ConfFolder() {}

  /**
   * The folder.
   *
   * @param wanted a path inside it that must be there, for example {@code models/needle-2m}
   * @throws UsageException if there is none, saying where it was looked for
   */
  static Path containing(String wanted) {
    List<Path> places = new ArrayList<>();
    String home = System.getenv("SPARSEFILL_HOME");
    if (home != null) {
      places.add(Path.of(home, "conf"));
    }
    Path folder = ownPlace().getParent();
    for (int level = 0; level < LEVELS && folder != null; level++, folder = folder.getParent()) {
      places.add(folder.resolve("conf"));
    }
    for (Path place : places) {
      if (Files.exists(place.resolve(wanted))) {
        return place;
      }
    }
    throw new UsageException(
        "Cannot find conf/"
            + wanted
            + ": it is in none of "
            + places
            + "; set SPARSEFILL_HOME to the project's folder, or give --model");
  }

  /** The jar or class folder that this class comes from. */
  private static Path ownPlace() {
    try {
      return Path.of(ConfFolder.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException("Cannot tell where this program's jar is", e);
    }
  }
}
