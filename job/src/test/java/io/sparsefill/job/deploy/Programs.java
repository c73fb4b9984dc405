package io.sparsefill.job.deploy;

import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** Runs programs of the machine, for tests of files that they read. */
final class Programs {
  private Programs() {}

  /**
   * What a program left.
   *
   * @param text standard output and error
   */
  record Ended(int code, String text) {}

  /**
   * Runs a program to its end.
   *
   * @param folder where it runs, and its output is written
   * @param environment is added to this JVM's
   */
  static Ended run(Path folder, Map<String, String> environment, String... command)
      throws IOException, InterruptedException {
    Path text = Files.createTempFile(folder, "program", ".txt");
    ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
    builder.environment().putAll(environment);
    Process process = builder.redirectErrorStream(true).redirectOutput(text.toFile()).start();
    return new Ended(process.waitFor(), Files.readString(text));
  }

  /** Skips the test, with the reason, on a machine without a program. */
  static void assumePresent(String... command) throws InterruptedException {
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      if (process.waitFor() != 0) {
        abort(String.join(" ", command) + " ends with " + process.exitValue());
      }
    } catch (IOException e) {
      abort("This machine has no " + command[0] + ": " + e.getMessage());
    }
  }
}
