package io.sparsefill.job.output;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.apache.parquet.io.PositionOutputStream;

/**
 * A new file on a local disk. Parquet hands pages over in pieces of 8 KiB, which Hadoop's stream
 * copies three times and writes one by one; here they are copied once and written in large pieces.
 */
final class LocalOutput extends PositionOutputStream {
  private static final int BUFFER_BYTES = 256 << 10;

  private final FileChannel file;
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
  private long position;

  private LocalOutput(FileChannel file) {
    this.file = file;
  }

  /**
   * Makes the file, and the folders above it.
   *
   * @throws java.nio.file.FileAlreadyExistsException when it is there
   */
  static LocalOutput create(Path path) throws IOException {
    Files.createDirectories(path.getParent());
    return new LocalOutput(
        FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE));
  }

  @Override
  public long getPos() {
    return position;
  }

  @Override
  public void write(int b) throws IOException {
    makeRoom();
    buffer.put((byte) b);
    position++;
  }

  @Override
  public void write(byte[] bytes, int offset, int length) throws IOException {
    for (int done = 0; done < length; ) {
      makeRoom();
      int count = Math.min(length - done, buffer.remaining());
      buffer.put(bytes, offset + done, count);
      done += count;
      position += count;
    }
  }

  @Override
  public void flush() throws IOException {
    buffer.flip();
    try {
      while (buffer.hasRemaining()) {
        file.write(buffer);
      }
    } finally {
      buffer.compact();
    }
  }

  @Override
  public void close() throws IOException {
    if (file.isOpen()) {
      try (file) {
        flush();
      }
    }
  }

  private void makeRoom() throws IOException {
    if (!buffer.hasRemaining()) {
      flush();
    }
  }
}
