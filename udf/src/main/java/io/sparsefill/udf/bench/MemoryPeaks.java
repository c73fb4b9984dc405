package io.sparsefill.udf.bench;

import io.sparsefill.kernels.cuda.CudaBackend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Peaks of memory between its opening and its end: the process's resident memory, as Linux counts
 * it, and the device's memory in use, by whichever process, as samples find it. Open it only while
 * an engine is.
 */
final class MemoryPeaks implements AutoCloseable {
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final Path CLEAR = Path.of("/proc/self/clear_refs");
  private static final long SAMPLE_MILLIS = 20;
  private static final double GIB = 1L << 30;

  private final Thread sampler;
  private volatile long deviceBytes;

  MemoryPeaks() throws IOException {
    if (Files.isWritable(CLEAR)) {
      Files.writeString(CLEAR, "5");
    }
    sampler = new Thread(this::sample, "memory-peaks");
    sampler.setDaemon(true);
    if (CudaBackend.unavailable().isEmpty()) {
      sampler.start();
    }
  }

  private void sample() {
    try {
      while (true) {
        deviceBytes = Math.max(deviceBytes, CudaBackend.usedBytes());
        Thread.sleep(SAMPLE_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // closed
    }
  }

  /** GiB of the device in use; null without one. */
  Double deviceGib() {
    return deviceBytes == 0 ? null : deviceBytes / GIB;
  }

  /** GiB of the process; null where the system does not tell. */
  Double processGib() throws IOException {
    if (Files.isReadable(STATUS)) {
      for (String line : Files.readAllLines(STATUS)) {
        if (line.startsWith("VmHWM:")) {
          return Long.parseLong(line.replaceAll("\\D", "")) * 1024 / GIB;
        }
      }
    }
    return null;
  }

  @Override
  public void close() {
    sampler.interrupt();
    boolean interrupted = false;
    while (sampler.isAlive()) {
      try {
        sampler.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
