package io.sparsefill.kernels;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A native library that comes in a jar and is unpacked to a folder before it loads, and why it does
 * not: the libraries' own loaders put the reason into stack traces, or lose it.
 *
 * @param resource the library in the jar
 * @param jar coordinates of the jar with this platform's libraries
 * @param folders where it may be unpacked, of which one suffices
 * @param setting what names another folder
 */
public record NativeLibrary(String resource, String jar, List<Path> folders, String setting) {
  /** What the system's loader says of a library that this one needs. */
  private static final Pattern MISSING = Pattern.compile("[^\\s/]+: cannot open shared object.*");

  /** Enough to see that a disk is full. */
  private static final int PROBE_BYTES = 64 << 10;

  /** Copies the list. */
  public NativeLibrary {
    folders = List.copyOf(folders);
  }

  /**
   * Why it did not load, in one line, and what to change.
   *
   * @param failure that its loader threw
   * @param loader of the classes that load it
   */
  public String reason(Throwable failure, ClassLoader loader) {
    String messages = messages(failure);
    Matcher missing = MISSING.matcher(messages);
    if (missing.find()) {
      return missing.group();
    }
    if (loader.getResource(resource) == null) {
      return "no jar of the class path has %s; add %s".formatted(resource, jar);
    }
    List<String> problems =
        folders.stream().map(NativeLibrary::unusable).flatMap(Optional::stream).toList();
    if (problems.size() == folders.size()) {
      return "%s cannot be unpacked: %s; let %s name a folder that can be written"
          .formatted(resource, String.join(", ", problems), setting);
    }
    return "%s, unpacked to %s (another folder: %s), says \"%s\""
        .formatted(
            resource,
            folders.stream().map(Path::toString).collect(Collectors.joining(" or ")),
            setting,
            messages.lines().reduce((outer, inner) -> inner).orElse("nothing"));
  }

  /** What a failure and its causes say, one after the other. */
  private static String messages(Throwable failure) {
    StringBuilder messages = new StringBuilder();
    Set<Throwable> seen = new HashSet<>();
    for (Throwable each = failure; each != null && seen.add(each); each = each.getCause()) {
      messages.append(each.getMessage() == null ? each : each.getMessage()).append('\n');
    }
    return messages.toString();
  }

  /** Why files cannot be written to a folder; empty when they can. */
  public static Optional<String> unusable(Path folder) {
    try {
      Files.createDirectories(folder);
      Path probe = Files.createTempFile(folder, "sparsefill-", ".probe");
      try {
        Files.write(probe, new byte[PROBE_BYTES]);
      } finally {
        Files.deleteIfExists(probe);
      }
      return Optional.empty();
    } catch (IOException e) {
      String reason =
          e instanceof FileSystemException file && file.getReason() != null
              ? file.getReason()
              : e.getClass().getSimpleName() + " " + e.getMessage();
      return Optional.of("cannot write to %s: %s".formatted(folder, reason));
    }
  }
}
