package io.sparsefill.job.export;

import io.sparsefill.job.export.ExportedDocument.ExportedFile;
import io.sparsefill.job.output.Storage;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Files of one document below a folder that belongs to one attempt of one task. */
final class StagedFolder implements ExportFolder {
  private static final int BUFFER_BYTES = 256 << 10;

  private final Storage destination;
  private final String staged;
  private final List<ExportedFile> files = new ArrayList<>();

  /**
   * No file yet.
   *
   * @param staged the folder, below the destination
   */
  StagedFolder(Storage destination, String staged) {
    this.destination = destination;
    this.staged = staged;
  }

  @Override
  public OutputStream create(String path) throws IOException {
    return open(path, false);
  }

  @Override
  public OutputStream createShared(String path) throws IOException {
    return open(path, true);
  }

  /** The files that were made and closed. */
  List<ExportedFile> files() {
    return List.copyOf(files);
  }

  private OutputStream open(String path, boolean shared) throws IOException {
    if (path.isEmpty() || Arrays.asList(path.split("/", -1)).stream().anyMatch(this::unusable)) {
      throw new IllegalArgumentException("Cannot make the file '" + path + "' of a document");
    }
    OutputStream file = destination.outputFile(staged + "/" + path).create(0);
    return new Counted(file, path, shared);
  }

  private boolean unusable(String name) {
    return name.isEmpty() || name.equals(".") || name.equals("..");
  }

  /** Gathers small writes, and notes the file when it is closed. */
  private final class Counted extends FilterOutputStream {
    private final String path;
    private final boolean shared;
    private final byte[] buffer = new byte[BUFFER_BYTES];
    private int held;
    private long bytes;
    private boolean closed;

    Counted(OutputStream out, String path, boolean shared) {
      super(out);
      this.path = path;
      this.shared = shared;
    }

    @Override
    public void write(int b) throws IOException {
      makeRoom(1);
      buffer[held++] = (byte) b;
    }

    @Override
    public void write(byte[] from, int at, int count) throws IOException {
      makeRoom(count);
      if (count > buffer.length) {
        out.write(from, at, count);
        bytes += count;
      } else {
        System.arraycopy(from, at, buffer, held, count);
        held += count;
      }
    }

    private void makeRoom(int count) throws IOException {
      if (held + (long) count > buffer.length) {
        out.write(buffer, 0, held);
        bytes += held;
        held = 0;
      }
    }

    @Override
    public void close() throws IOException {
      if (closed) {
        return;
      }
      closed = true;
      try (OutputStream file = out) {
        file.write(buffer, 0, held);
      }
      files.add(new ExportedFile(path, bytes + held, shared));
    }
  }
}
