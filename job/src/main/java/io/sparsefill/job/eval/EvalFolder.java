package io.sparsefill.job.eval;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.job.output.FolderLock;
import io.sparsefill.job.output.OutputRefused;
import io.sparsefill.job.run.UsageException;
import java.io.Closeable;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.hadoop.ParquetReader;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.api.ReadSupport;
import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.hadoop.example.GroupReadSupport;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.hadoop.util.HadoopInputFile;
import org.apache.parquet.hadoop.util.HadoopOutputFile;
import org.apache.parquet.io.InputFile;

/**
 * The folder of an evaluation: {@code settings.json}, the tables of {@link EvalTable}, a summary
 * and a page. Only the driver writes, one at a time. A table is one small file, which is replaced
 * as a whole: the new one is there before the old one goes. A crash may leave both; opening the
 * folder removes the old one, whose rows the new one has.
 */
final class EvalFolder implements Closeable {
  private static final String SETTINGS = "settings.json";
  private static final String SUFFIX = ".parquet";

  private final Configuration conf;
  private final FileSystem files;
  private final Path root;
  private final FolderLock lock;

  private EvalFolder(Configuration conf, FileSystem files, Path root, FolderLock lock) {
    this.conf = conf;
    this.files = files;
    this.root = root;
    this.lock = lock;
  }

  /**
   * Opens a folder for one evaluation at a time; makes it if it is not there.
   *
   * @throws UsageException if it holds something else
   * @throws OutputRefused if another evaluation writes to it
   */
  static EvalFolder open(Configuration conf, String output) throws IOException {
    Path root = new Path(output);
    FileSystem files = root.getFileSystem(conf);
    files.mkdirs(root);
    FileStatus[] found =
        files.listStatus(root, file -> !file.getName().startsWith(FolderLock.FILE));
    if (found.length > 0 && !files.exists(new Path(root, SETTINGS))) {
      throw new UsageException(
          "Cannot write an evaluation to %s: it holds %s and no %s, so it is none; choose an empty folder"
              .formatted(output, found[0].getPath().getName(), SETTINGS));
    }
    FolderLock lock = FolderLock.take(conf, output, "eval");
    EvalFolder folder =
        new EvalFolder(new Configuration(conf), files, files.makeQualified(root), lock);
    try {
      folder.removeRemains();
      return folder;
    } catch (IOException | RuntimeException e) {
      lock.close();
      throw e;
    }
  }

  private void removeRemains() throws IOException {
    for (EvalTable table : EvalTable.values()) {
      List<Path> parts = parts(table);
      for (int i = 0; i < parts.size() - 1; i++) {
        files.delete(parts.get(i), false);
      }
    }
  }

  /** Lets others write to it. */
  @Override
  public void close() throws IOException {
    lock.close();
  }

  /** Its path. */
  String path() {
    return root.toString();
  }

  /**
   * The settings of what is stored; empty in a new folder.
   *
   * @throws UsageException if they cannot be read
   */
  Map<String, String> settings() throws IOException {
    String text;
    try (InputStream in = files.open(new Path(root, SETTINGS))) {
      text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (FileNotFoundException e) {
      return Map.of();
    }
    try {
      return new ObjectMapper().readValue(text, new TypeReference<TreeMap<String, String>>() {});
    } catch (JsonProcessingException e) {
      throw new UsageException(
          "Cannot go on in %s: %s is broken: %s; choose another --output"
              .formatted(root, SETTINGS, e.getOriginalMessage()),
          e);
    }
  }

  void settings(Map<String, String> settings) throws IOException {
    text(
        SETTINGS,
        new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(settings) + "\n");
  }

  /** Writes a text file, or replaces it. */
  void text(String name, String text) throws IOException {
    Path next = new Path(root, "_next." + name);
    try (OutputStream out = files.create(next, true)) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    }
    Path file = new Path(root, name);
    files.delete(file, false);
    rename(next, file);
  }

  /** All rows of a table. */
  List<Group> read(EvalTable table) throws IOException {
    List<Group> rows = new ArrayList<>();
    for (Path file : parts(table)) {
      try (ParquetReader<Group> reader =
          new Reader(HadoopInputFile.fromPath(file, conf))
              .withConf(conf)
              .set(ReadSupport.PARQUET_READ_SCHEMA, table.schema().toString())
              .build()) {
        for (Group row = reader.read(); row != null; row = reader.read()) {
          rows.add(row);
        }
      } catch (RuntimeException e) { // Parquet's decoding errors are unchecked
        throw new IOException("Cannot read " + file + ": " + e.getMessage(), e);
      }
    }
    return rows;
  }

  /**
   * Replaces all rows of a table.
   *
   * @throws IOException also if another evaluation has taken the folder over
   */
  void replace(EvalTable table, List<Group> rows) throws IOException {
    lock.ensureHeld();
    List<Path> before = parts(table);
    Path folder = new Path(root, table.folder());
    Path next = new Path(folder, "_next" + SUFFIX);
    files.delete(next, false); // of a crash
    try (ParquetWriter<Group> writer =
        ExampleParquetWriter.builder(HadoopOutputFile.fromPath(next, conf))
            .withConf(conf)
            .withType(table.schema())
            .withCompressionCodec(CompressionCodecName.ZSTD)
            .build()) {
      for (Group row : rows) {
        writer.write(row);
      }
    }
    rename(next, new Path(folder, "part-%06d%s".formatted(after(before), SUFFIX)));
    for (Path old : before) {
      files.delete(old, false);
    }
  }

  private static int after(List<Path> parts) {
    if (parts.isEmpty()) {
      return 0;
    }
    String last = parts.get(parts.size() - 1).getName();
    return 1 + Integer.parseInt(last.substring("part-".length(), last.length() - SUFFIX.length()));
  }

  private List<Path> parts(EvalTable table) throws IOException {
    List<Path> parts = new ArrayList<>();
    try {
      for (FileStatus file : files.listStatus(new Path(root, table.folder()))) {
        if (file.getPath().getName().matches("part-\\d{6}\\.parquet")) {
          parts.add(file.getPath());
        }
      }
    } catch (FileNotFoundException e) {
      return parts; // no such table yet
    }
    parts.sort(Comparator.comparing(Path::getName));
    return parts;
  }

  private void rename(Path from, Path to) throws IOException {
    if (!files.rename(from, to)) {
      throw new IOException("Cannot rename " + from + " to " + to);
    }
  }

  private static final class Reader extends ParquetReader.Builder<Group> {
    Reader(InputFile file) {
      super(file);
    }

    @Override
    protected ReadSupport<Group> getReadSupport() {
      return new GroupReadSupport();
    }
  }
}
