package io.sparsefill.job;

import io.sparsefill.job.command.SparsefillCommand;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;

/**
 * The command line's entry: {@code sparsefill COMMAND …}, or {@code spark-submit --class
 * io.sparsefill.job.Main}. The exit codes are those of {@link io.sparsefill.job.command.ExitCode}.
 */
public final class Main {
  private Main() {}

  /**
   * Runs a command and ends the JVM with its code when that is not 0. On Databricks, where a job
   * must not end the JVM, a code other than 0 is an exception instead.
   */
  public static void main(String[] args) {
    int code = execute(args);
    if (code == 0) {
      return;
    }
    if (System.getenv("DATABRICKS_RUNTIME_VERSION") != null) {
      throw new IllegalStateException("sparsefill ended with code " + code + "; the log says why");
    }
    System.exit(code);
  }

  /** Runs a command and returns its exit code; the JVM goes on. For notebooks and tests. */
  public static int execute(String... args) {
    return execute(
        new PrintWriter(System.out, true, StandardCharsets.UTF_8),
        new PrintWriter(System.err, true, StandardCharsets.UTF_8),
        args);
  }

  /**
   * Runs a command and returns its exit code; the JVM goes on.
   *
   * @param out takes the command's report, its last line JSON
   * @param err takes messages for the user; logs go where log4j2 sends them
   */
  public static int execute(PrintWriter out, PrintWriter err, String... args) {
    return SparsefillCommand.commandLine(out, err).execute(args);
  }
}
