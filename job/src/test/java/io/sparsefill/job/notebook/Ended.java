package io.sparsefill.job.notebook;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/**
 * A process that has ended.
 *
 * @param code its exit code
 * @param text what it wrote, to standard output and error
 */
record Ended(int code, String text) {
  /** Runs a process to its end; it is killed when the time is over. */
  static Ended of(ProcessBuilder builder, Path log, int minutes)
      throws IOException, InterruptedException {
    builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    Process process = builder.redirectErrorStream(true).redirectOutput(log.toFile()).start();
    try {
      if (!process.waitFor(minutes, TimeUnit.MINUTES)) {
        throw new AssertionError(
            "Still running after " + minutes + " minutes:\n" + Files.readString(log));
      }
      return new Ended(process.exitValue(), Files.readString(log));
    } finally {
      process.destroyForcibly();
    }
  }
}
