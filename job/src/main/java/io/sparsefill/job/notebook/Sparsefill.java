package io.sparsefill.job.notebook;

import io.sparsefill.job.command.SparsefillCommand;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;

/**
 * Sparsefill's commands for notebooks. A command takes the notebook's Spark session, does not stop
 * it, and never ends the JVM.
 *
 * <pre>
 * Sparsefill.run("plan", "--model", model, "--input", input)                              // Scala
 * spark._jvm.io.sparsefill.job.notebook.Sparsefill.run(["plan", "--model", model, ...])   # Python
 * </pre>
 */
public final class Sparsefill {
  private Sparsefill() {}

  /**
   * Runs a command to its end.
   *
   * @param command its name and options, as on the command line
   */
  public static CommandResult run(String... command) {
    StringWriter report = new StringWriter();
    StringWriter messages = new StringWriter();
    int code =
        SparsefillCommand.commandLine(new PrintWriter(report), new PrintWriter(messages))
            .execute(command);
    return new CommandResult(code, report.toString(), messages.toString());
  }

  /** The same with a list, which is what PySpark's gateway makes of Python's. */
  public static CommandResult run(List<String> command) {
    return run(command.toArray(String[]::new));
  }
}
