package io.sparsefill.job.eval;

import io.sparsefill.job.eval.task.Haystack;
import io.sparsefill.job.run.UsageException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** Reads {@code --texts}. */
final class Texts {
  private Texts() {}

  /**
   * The texts of a file, or of a folder's {@code *.txt} files by name, UTF-8.
   *
   * @throws UsageException if there is none, or no word in them
   */
  static Haystack read(Configuration conf, String path) throws IOException {
    Path given = new Path(path);
    FileSystem files = given.getFileSystem(conf);
    List<Path> found = new ArrayList<>();
    try {
      FileStatus status = files.getFileStatus(given);
      if (status.isDirectory()) {
        for (FileStatus file : files.listStatus(given)) {
          if (file.isFile() && file.getPath().getName().endsWith(".txt")) {
            found.add(file.getPath());
          }
        }
        found.sort(Comparator.comparing(Path::getName));
      } else {
        found.add(given);
      }
    } catch (FileNotFoundException e) {
      throw new UsageException("Cannot read --texts %s: no such file or folder".formatted(path), e);
    }
    if (found.isEmpty()) {
      throw new UsageException("Cannot read --texts %s: no .txt file in it".formatted(path));
    }
    List<Haystack.Text> texts = new ArrayList<>();
    for (Path file : found) {
      try (InputStream in = files.open(file)) {
        texts.add(
            new Haystack.Text(
                file.getName(), new String(in.readAllBytes(), StandardCharsets.UTF_8)));
      }
    }
    try {
      return new Haystack(texts);
    } catch (IllegalArgumentException e) {
      throw new UsageException("Cannot use --texts %s: %s".formatted(path, e.getMessage()), e);
    }
  }
}
