package io.sparsefill.job.command;

import io.sparsefill.kernels.cuda.CudaFailure;
import java.io.BufferedOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.util.Locale;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;

/**
 * The local file system of a process, with one fault in it. Faults begin with the staged file of
 * the {@code kv} table: it is made when the first rows of its first document come, with the other
 * layers of that document still to compute.
 */
public final class FaultyFileSystem extends LocalFileSystem {
  /** Which {@link Fault}, by its lower-case name. */
  static final String FAULT = "sparsefill.test.fault";

  /** A folder that all processes see, for what has happened and what may. */
  static final String FOLDER = "sparsefill.test.fault.folder";

  /** {@link Fault#FULL}: the disk, which is this folder. */
  static final String DISK = "sparsefill.test.fault.disk";

  /** {@link Fault#FULL}: bytes that the disk holds; {@link Fault#FAIL}: bytes before the end. */
  static final String BYTES = "sparsefill.test.fault.bytes";

  /** In {@link #FOLDER}: the fault has happened. */
  static final String HAPPENED = "happened";

  /** In {@link #FOLDER}: what is held may go on. */
  static final String RELEASED = "released";

  private static final long POLL_NANOS = 20_000_000;

  /** What goes wrong. */
  enum Fault {
    /** The process that makes the first kv file is killed (SIGKILL); no other. */
    KILL,
    /** The first kv file cannot be written beyond some bytes; a second attempt can. */
    FAIL,
    /** All files of a folder together must not have more than some bytes. */
    FULL,
    /** The process that makes the first kv file says that it has lost its GPU; no other. */
    LOSE_GPU,
    /** Whoever makes a kv file waits until the test says so. */
    HOLD
  }

  /** Hadoop makes it by its class's name. */
  public FaultyFileSystem() {
    super(new Raw());
  }

  private static final class Raw extends RawLocalFileSystem {
    @Override
    public FSDataOutputStream create(
        Path path,
        FsPermission permission,
        boolean overwrite,
        int bufferSize,
        short replication,
        long blockSize,
        Progressable progress)
        throws IOException {
      return faulty(
          path, super.create(path, overwrite, bufferSize, replication, blockSize, progress));
    }

    @Override
    public FSDataOutputStream create(
        Path path,
        boolean overwrite,
        int bufferSize,
        short replication,
        long blockSize,
        Progressable progress)
        throws IOException {
      return faulty(
          path, super.create(path, overwrite, bufferSize, replication, blockSize, progress));
    }

    private FSDataOutputStream faulty(Path path, FSDataOutputStream out) throws IOException {
      Fault fault = Fault.valueOf(getConf().get(FAULT).toUpperCase(Locale.ROOT));
      java.nio.file.Path file = pathToFile(path).toPath();
      if (fault == Fault.FULL) {
        java.nio.file.Path disk = java.nio.file.Path.of(getConf().get(DISK));
        return file.startsWith(disk) ? limited(out, () -> bytesOf(disk)) : out;
      }
      if (!file.toString().contains("/_staging/") || !file.getParent().endsWith("kv")) {
        return out;
      }
      java.nio.file.Path folder = java.nio.file.Path.of(getConf().get(FOLDER));
      switch (fault) {
        case KILL -> {
          if (isFirst(folder)) {
            new ProcessBuilder("kill", "-9", Long.toString(ProcessHandle.current().pid())).start();
            LockSupport.park(); // the signal is on its way
          }
        }
        case FAIL -> {
          if (isFirst(folder)) {
            return limited(out, out::size);
          }
        }
        case LOSE_GPU -> {
          if (isFirst(folder)) {
            out.close();
            throw new IOException(
                new CudaFailure("Cannot bring keys to the host: CUDA_ERROR_ILLEGAL_ADDRESS", 700));
          }
        }
        case HOLD -> {
          isFirst(folder);
          while (!Files.exists(folder.resolve(RELEASED))) {
            LockSupport.parkNanos(POLL_NANOS);
          }
        }
        default -> throw new IllegalStateException("Cannot do " + fault);
      }
      return out;
    }

    private static boolean isFirst(java.nio.file.Path folder) throws IOException {
      try {
        Files.createFile(folder.resolve(HAPPENED));
        return true;
      } catch (FileAlreadyExistsException e) {
        return false;
      }
    }

    private FSDataOutputStream limited(FSDataOutputStream out, Used used) throws IOException {
      long most = getConf().getLong(BYTES, 0);
      OutputStream checked =
          new OutputStream() {
            @Override
            public void write(int b) throws IOException {
              write(new byte[] {(byte) b}, 0, 1);
            }

            @Override
            public void write(byte[] bytes, int from, int length) throws IOException {
              if (used.bytes() + length > most) {
                throw new IOException("No space left on device");
              }
              out.write(bytes, from, length);
            }

            @Override
            public void flush() throws IOException {
              out.flush();
            }

            @Override
            public void close() throws IOException {
              out.close();
            }
          };
      // In pieces of some size: what is used is not asked for each value.
      return new FSDataOutputStream(
          new BufferedOutputStream(checked, 1 << 16), (FileSystem.Statistics) null);
    }

    @FunctionalInterface
    private interface Used {
      long bytes() throws IOException;
    }

    private static long bytesOf(java.nio.file.Path folder) throws IOException {
      try (Stream<java.nio.file.Path> files = Files.walk(folder)) {
        return files.mapToLong(Raw::length).sum();
      } catch (UncheckedIOException e) {
        if (e.getCause() instanceof java.nio.file.NoSuchFileException) {
          return bytesOf(folder); // a file went away while they were counted
        }
        throw e.getCause();
      }
    }

    private static long length(java.nio.file.Path file) {
      try {
        return Files.isRegularFile(file) ? Files.size(file) : 0;
      } catch (java.nio.file.NoSuchFileException | FileNotFoundException e) {
        return 0; // it went away in between
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
