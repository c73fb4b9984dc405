package io.sparsefill.job.read;

import java.io.IOException;
import java.net.URI;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSInputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;

/** Local files under {@code counted:}, with the bytes that readers take from them. */
public final class CountingFileSystem extends RawLocalFileSystem {
  private static final AtomicLong BYTES = new AtomicLong();

  /** A configuration that knows {@code counted:}. */
  static Configuration configuration() {
    Configuration conf = new Configuration();
    conf.setClass("fs.counted.impl", CountingFileSystem.class, RawLocalFileSystem.class);
    return conf;
  }

  /** Bytes since the last call. */
  static long bytes() {
    return BYTES.getAndSet(0);
  }

  @Override
  public URI getUri() {
    return URI.create("counted:///");
  }

  @Override
  public FSDataInputStream open(Path path, int bufferSize) throws IOException {
    return new FSDataInputStream(new Counted(super.open(path, bufferSize)));
  }

  private static final class Counted extends FSInputStream {
    private final FSDataInputStream in;

    Counted(FSDataInputStream in) {
      this.in = in;
    }

    @Override
    public int read() throws IOException {
      int read = in.read();
      BYTES.addAndGet(read < 0 ? 0 : 1);
      return read;
    }

    @Override
    public int read(byte[] target, int at, int count) throws IOException {
      int read = in.read(target, at, count);
      BYTES.addAndGet(Math.max(0, read));
      return read;
    }

    @Override
    public void seek(long position) throws IOException {
      in.seek(position);
    }

    @Override
    public long getPos() throws IOException {
      return in.getPos();
    }

    @Override
    public boolean seekToNewSource(long position) {
      return false;
    }

    @Override
    public void close() throws IOException {
      in.close();
    }
  }
}
