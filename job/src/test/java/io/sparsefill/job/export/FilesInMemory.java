package io.sparsefill.job.export;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Map;
import java.util.TreeMap;

/** An export's files, by path, as they are when they are closed. */
final class FilesInMemory implements ExportFolder {
  final Map<String, byte[]> files = new TreeMap<>();
  private int open;

  @Override
  public OutputStream create(String path) {
    assertThat(files).doesNotContainKey(path);
    return file(path);
  }

  @Override
  public OutputStream createShared(String path) {
    return file(path);
  }

  private OutputStream file(String path) {
    open++;
    assertThat(open).as("files open at a time").isEqualTo(1);
    return new ByteArrayOutputStream() {
      @Override
      public void close() throws IOException {
        super.close();
        open--;
        files.putIfAbsent(path, toByteArray());
      }
    };
  }
}
