package io.sparsefill.job.search;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.job.output.FolderLock;
import io.sparsefill.job.output.OutputRefused;
import io.sparsefill.job.run.UsageException;
import io.sparsefill.udf.search.HeadScore;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;

/**
 * The folder beside the output in which a search keeps what it has: {@code search.json} says of
 * what search, and each sample that is done has a file of its scores, JSON lines. The same search
 * goes on from there; another one is refused.
 */
final class SearchWork implements Closeable {
  private static final String IDENTITY = "search.json";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path folder;
  private final FolderLock lock;

  private SearchWork(Path folder, FolderLock lock) {
    this.folder = folder;
    this.lock = lock;
  }

  /**
   * Opens the folder for one search at a time, or makes it.
   *
   * @param identity all that decides the scores
   * @throws UsageException if the folder is another search's, naming what differs, or no search's
   * @throws OutputRefused if the search goes on in another process
   */
  static SearchWork open(Path folder, Map<String, String> identity) throws IOException {
    Path file = folder.resolve(IDENTITY);
    Files.createDirectories(folder);
    if (!Files.exists(file)) {
      refuseForeign(folder);
    }
    FolderLock lock =
        FolderLock.take(new Configuration(false), folder.toUri().toString(), "search-patterns");
    try {
      if (Files.exists(file)) {
        refuseOthers(folder, read(file), identity);
      } else {
        write(
            file,
            JSON.writerWithDefaultPrettyPrinter().writeValueAsString(new TreeMap<>(identity)));
      }
      return new SearchWork(folder, lock);
    } catch (IOException | RuntimeException e) {
      lock.close();
      throw e;
    }
  }

  private static void refuseForeign(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      if (files.anyMatch(SearchWork::isWork)) {
        throw new UsageException(
            "Cannot keep the work of the search in %s: it holds something else; remove it, or choose another --output"
                .formatted(folder));
      }
    }
  }

  private static void refuseOthers(
      Path folder, Map<String, String> stored, Map<String, String> identity) {
    TreeSet<String> names = new TreeSet<>(stored.keySet());
    names.addAll(identity.keySet());
    names.removeIf(name -> identity.getOrDefault(name, "").equals(stored.get(name)));
    if (!names.isEmpty()) {
      List<String> differences = new ArrayList<>();
      names.forEach(
          name -> differences.add(name + " " + stored.get(name) + ", now " + identity.get(name)));
      throw new UsageException(
          "Cannot go on with the search in %s: it was begun with %s; delete that folder to begin anew, or choose another --output"
              .formatted(folder, String.join("; ", differences)));
    }
  }

  private static Map<String, String> read(Path file) {
    try {
      return JSON.readValue(file.toFile(), new TypeReference<TreeMap<String, String>>() {});
    } catch (IOException e) {
      throw new UsageException(
          "Cannot go on with the search in %s: %s cannot be read (%s); delete that folder to begin anew"
              .formatted(file.getParent(), IDENTITY, e.getMessage().lines().findFirst().orElse("")),
          e);
    }
  }

  /**
   * The scores of a sample, if they are there.
   *
   * @param number of the sample among all
   */
  Optional<List<HeadScore>> scores(int number) throws IOException {
    Path file = file(number);
    if (!Files.exists(file)) {
      return Optional.empty();
    }
    List<HeadScore> scores = new ArrayList<>();
    for (String line : Files.readAllLines(file)) {
      try {
        scores.add(JSON.readValue(line, HeadScore.class));
      } catch (IOException e) {
        throw new UsageException(
            "Cannot go on with the search: line %d of %s cannot be read; delete that file, and its sample is scored again"
                .formatted(scores.size() + 1, file),
            e);
      }
    }
    return Optional.of(scores);
  }

  /** Keeps the scores of a sample. */
  void store(int number, List<HeadScore> scores) throws IOException {
    lock.ensureHeld();
    StringBuilder lines = new StringBuilder();
    for (HeadScore score : scores) {
      lines.append(JSON.writeValueAsString(score)).append('\n');
    }
    write(file(number), lines.toString());
  }

  private Path file(int number) {
    return folder.resolve(String.format(Locale.ROOT, "sample-%05d.jsonl", number));
  }

  /** Writes a file that is there as a whole or not at all. */
  static void write(Path file, String content) throws IOException {
    Path unfinished = file.resolveSibling(file.getFileName() + ".unfinished");
    Files.writeString(unfinished, content);
    Files.move(unfinished, file, StandardCopyOption.ATOMIC_MOVE);
  }

  /** Removes the folder; the search is done, and its output there. */
  void delete() throws IOException {
    lock.ensureHeld();
    lock.close();
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  private static boolean isWork(Path file) {
    return !file.getFileName().toString().startsWith(FolderLock.FILE);
  }

  /** Lets another process go on with the search. */
  @Override
  public void close() throws IOException {
    lock.close();
  }
}
