package io.sparsefill.job;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import java.net.URI;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;
import org.apache.hadoop.io.compress.CompressionCodec;
import org.apache.hadoop.io.compress.CompressionCodecFactory;

/**
 * One file of the input, on any Hadoop file system.
 *
 * @param uri its full path as a URI
 * @param name its path relative to the input folder, or the file's name where the input is a file
 * @param length bytes, as stored
 */
record InputFile(String uri, String name, long length) implements Serializable {
  private static final Pattern HIDDEN = Pattern.compile("(^|/)[._]");

  /**
   * Lists the regular files of an input in the order of their names, folders within folders too.
   * Whatever lies below a name that begins with {@code .} or {@code _} is left out, unless the
   * input itself is named so.
   *
   * @param input a file or a folder
   * @throws FileNotFoundException if there is no such file or folder
   * @throws IOException if a folder cannot be listed
   */
  static List<InputFile> list(Configuration conf, String input) throws IOException {
    Path given = new Path(input);
    FileSystem fileSystem = given.getFileSystem(conf);
    Path root = fileSystem.makeQualified(given);
    FileStatus status;
    try {
      status = fileSystem.getFileStatus(root);
    } catch (FileNotFoundException e) {
      FileNotFoundException named =
          new FileNotFoundException(
              "Cannot read input '%s': no such file or folder; check --input".formatted(input));
      named.initCause(e);
      throw named;
    }
    if (status.isFile()) {
      return List.of(new InputFile(root.toUri().toString(), root.getName(), status.getLen()));
    }
    String rootPath = root.toUri().getPath();
    String prefix = rootPath.endsWith("/") ? rootPath : rootPath + "/";
    List<InputFile> files = new ArrayList<>();
    for (RemoteIterator<LocatedFileStatus> all = fileSystem.listFiles(root, true);
        all.hasNext(); ) {
      LocatedFileStatus file = all.next();
      String path = file.getPath().toUri().getPath();
      if (!path.startsWith(prefix)) {
        throw new IOException(
            "Cannot list input '%s': the file system named '%s', which is not below it"
                .formatted(input, path));
      }
      String name = path.substring(prefix.length());
      if (!isHidden(name)) {
        files.add(new InputFile(file.getPath().toUri().toString(), name, file.getLen()));
      }
    }
    files.sort(Comparator.comparing(InputFile::name));
    return files;
  }

  /**
   * Whether a path lies in the input folder and its files would be among those of {@link #list}.
   *
   * @param input a file or a folder
   * @param path of a file or folder, there or not
   */
  static boolean wouldList(Configuration conf, String input, String path) throws IOException {
    Path folder = new Path(input);
    Path other = new Path(path);
    String below = folder.getFileSystem(conf).makeQualified(folder).toString();
    String name = other.getFileSystem(conf).makeQualified(other).toString();
    if (name.equals(below)) {
      return true;
    }
    String prefix = below.endsWith("/") ? below : below + "/";
    return name.startsWith(prefix) && !isHidden(name.substring(prefix.length()));
  }

  /** The full path as people write it: nothing is percent-encoded. */
  String path() {
    return hadoopPath().toString();
  }

  /** The full path as Hadoop wants it. */
  Path hadoopPath() {
    return new Path(URI.create(uri));
  }

  /** Whether the name's ending says that the file is compressed ({@code .gz}, {@code .bz2}...). */
  boolean isCompressed(Configuration conf) {
    return codec(conf) != null;
  }

  /** Lower-case ending of the name without a compression's ending and without the dot, or "". */
  String extension(Configuration conf) {
    CompressionCodec codec = codec(conf);
    String bare = hadoopPath().getName();
    if (codec != null) {
      bare = CompressionCodecFactory.removeSuffix(bare, codec.getDefaultExtension());
    }
    int dot = bare.lastIndexOf('.');
    return dot < 0 ? "" : bare.substring(dot + 1).toLowerCase(Locale.ROOT);
  }

  /** Opens the stored bytes, for reading anywhere. */
  FSDataInputStream openStored(Configuration conf) throws IOException {
    Path path = hadoopPath();
    FileSystem fileSystem = path.getFileSystem(conf);
    // Hadoop's local file system looks for a checksum file beside each file, and fails at names
    // with a colon when it makes that file's name.
    FileSystem plain =
        fileSystem instanceof LocalFileSystem local ? local.getRawFileSystem() : fileSystem;
    return plain.open(path);
  }

  /** Opens the content, decompressed if {@link #isCompressed}, for reading from its beginning. */
  InputStream open(Configuration conf) throws IOException {
    FSDataInputStream stored = openStored(conf);
    CompressionCodec codec = codec(conf);
    if (codec == null) {
      return stored;
    }
    try {
      return codec.createInputStream(stored);
    } catch (IOException | RuntimeException e) {
      try (stored) {
        throw e;
      }
    }
  }

  private CompressionCodec codec(Configuration conf) {
    return new CompressionCodecFactory(conf).getCodec(hadoopPath());
  }

  private static boolean isHidden(String name) {
    return HIDDEN.matcher(name).find();
  }
}
