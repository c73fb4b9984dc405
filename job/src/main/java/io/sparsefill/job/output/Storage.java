package io.sparsefill.job.output;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.ChecksumFileSystem;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Options.Rename;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.parquet.hadoop.util.HadoopInputFile;
import org.apache.parquet.hadoop.util.HadoopStreams;
import org.apache.parquet.io.InputFile;
import org.apache.parquet.io.OutputFile;
import org.apache.parquet.io.PositionOutputStream;

/**
 * The few file operations that an output folder is made of, on any Hadoop file system; paths are
 * relative to the folder. On local disks and HDFS a rename is atomic and at once. On object stores
 * (s3a) it copies: commits take as long as the copy, and a crash inside one leaves files that the
 * next opening removes, but never a visible document. Local folders get no {@code .crc} files.
 *
 * <p>What was written survives the death of any process. On local disks and HDFS nothing is forced
 * to the medium: after a power cut within the last minute or so, files that were committed may be
 * short or empty, which {@code verify} finds.
 */
public class Storage {
  /** Besides local disks, the file systems that replace a file by an atomic rename. */
  private static final Set<String> RENAMING = Set.of("hdfs", "viewfs");

  private final Configuration conf;
  private final FileSystem files;
  private final Path root;

  /**
   * One entry of a folder.
   *
   * @param name without the folder
   * @param bytes length of a file
   * @param folder whether it is a folder
   */
  public record Entry(String name, long bytes, boolean folder) {}

  /** A folder, which need not be there. */
  public Storage(Configuration conf, String output) throws IOException {
    this.conf = conf;
    Path path = new Path(output);
    FileSystem found = path.getFileSystem(conf);
    this.files = found instanceof ChecksumFileSystem checked ? checked.getRawFileSystem() : found;
    this.root = files.makeQualified(path);
  }

  Configuration conf() {
    return conf;
  }

  /** The folder with its file system. */
  public String root() {
    return root.toString();
  }

  /** The full path of something in the folder. */
  Path path(String relative) {
    return relative.isEmpty() ? root : new Path(root, relative);
  }

  /** Makes a folder and what is above it. */
  public void makeFolder(String relative) throws IOException {
    if (!files.mkdirs(path(relative))) {
      throw new IOException("Cannot make the folder " + path(relative));
    }
  }

  /** Whether there is such a file or folder. */
  public boolean exists(String relative) throws IOException {
    return files.exists(path(relative));
  }

  /**
   * Length of a file in bytes.
   *
   * @throws FileNotFoundException when it is not there
   */
  long size(String relative) throws IOException {
    return files.getFileStatus(path(relative)).getLen();
  }

  /** What lies in a folder, by name; nothing when the folder is not there. */
  public List<Entry> list(String relative) throws IOException {
    FileStatus[] found;
    try {
      found = files.listStatus(path(relative));
    } catch (FileNotFoundException e) {
      return List.of();
    }
    List<Entry> entries = new ArrayList<>(found.length);
    for (FileStatus status : found) {
      entries.add(new Entry(status.getPath().getName(), status.getLen(), status.isDirectory()));
    }
    entries.sort(Comparator.comparing(Entry::name));
    return entries;
  }

  /** Moves a file to a name that must be free. */
  public void rename(String from, String to) throws IOException {
    if (files.exists(path(to))) {
      throw new IOException("Cannot rename " + path(from) + ": " + path(to) + " exists already");
    }
    if (!files.rename(path(from), path(to))) {
      throw new IOException("Cannot rename " + path(from) + " to " + path(to));
    }
  }

  /** Removes a file, or a folder with all it holds; nothing happens when it is not there. */
  public void delete(String relative) throws IOException {
    if (!files.delete(path(relative), true) && files.exists(path(relative))) {
      throw new IOException("Cannot delete " + path(relative));
    }
  }

  /** The content of a small UTF-8 file, or empty when it is not there. */
  Optional<String> readText(String relative) throws IOException {
    try (InputStream in = files.open(path(relative))) {
      return Optional.of(new String(in.readAllBytes(), StandardCharsets.UTF_8));
    } catch (FileNotFoundException e) {
      return Optional.empty();
    }
  }

  /** When a file was changed, milliseconds since 1970; empty when it is not there. */
  Optional<Long> modified(String relative) throws IOException {
    try {
      return Optional.of(files.getFileStatus(path(relative)).getModificationTime());
    } catch (FileNotFoundException e) {
      return Optional.empty();
    }
  }

  /**
   * Makes a file that must not exist; false when it does. One of several callers wins on local
   * disks and HDFS; object stores check before they write, so two that start within the same second
   * may both win there.
   */
  public boolean createText(String relative, String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    if (files instanceof RawLocalFileSystem local) {
      try {
        Files.write(
            local.pathToFile(path(relative)).toPath(),
            bytes,
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.WRITE);
        return true;
      } catch (java.nio.file.FileAlreadyExistsException e) {
        return false;
      }
    }
    try (OutputStream out = files.create(path(relative), false)) {
      out.write(bytes);
      return true;
    } catch (FileAlreadyExistsException e) {
      return false;
    }
  }

  /**
   * Replaces a small file: readers see the old content or the new, never a part. By rename where
   * that is atomic; object stores show an overwritten object only once it is whole.
   */
  void replaceText(String relative, String text) throws IOException {
    boolean local = files instanceof RawLocalFileSystem;
    if (!local && !RENAMING.contains(files.getScheme())) {
      write(path(relative), text);
      return;
    }
    Path next = path("_" + relative.replaceFirst("^_", "") + ".next");
    write(next, text);
    if (!local) {
      FileContext.getFileContext(root.toUri(), conf).rename(next, path(relative), Rename.OVERWRITE);
    } else if (!files.rename(next, path(relative))) { // POSIX: replaces
      throw new IOException("Cannot rename " + next + " to " + path(relative));
    }
  }

  private void write(Path path, String text) throws IOException {
    try (OutputStream out = files.create(path, true)) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    }
  }

  /** A Parquet file to read. */
  InputFile inputFile(String relative) throws IOException {
    return HadoopInputFile.fromPath(path(relative), conf);
  }

  /** A file to write, with the folders above it; it must not exist. */
  public OutputFile outputFile(String relative) {
    Path path = path(relative);
    return new OutputFile() {
      @Override
      public PositionOutputStream create(long blockSizeHint) throws IOException {
        if (files.getClass() == RawLocalFileSystem.class) { // one made of it has its own stream
          return LocalOutput.create(((RawLocalFileSystem) files).pathToFile(path).toPath());
        }
        return HadoopStreams.wrap(files.create(path, false));
      }

      @Override
      public PositionOutputStream createOrOverwrite(long blockSizeHint) throws IOException {
        return HadoopStreams.wrap(files.create(path, true));
      }

      @Override
      public boolean supportsBlockSize() {
        return false;
      }

      @Override
      public long defaultBlockSize() {
        return 0;
      }

      @Override
      public String getPath() {
        return path.toString();
      }
    };
  }
}
