package io.sparsefill.job.notebook;

/**
 * How a command ended.
 *
 * @param code exit code, as {@link io.sparsefill.job.command.ExitCode} has them; 0 is success
 * @param report what it wrote to standard output
 * @param messages what it wrote to standard error, without the log
 */
public record CommandResult(int code, String report, String messages) {
  /**
   * The command's JSON summary: its report's last line.
   *
   * @throws IllegalStateException if there is none, as after an error of usage; the message is the
   *     command's own
   */
  public String summary() {
    String last = report.strip().lines().reduce("", (before, line) -> line);
    if (!last.startsWith("{")) {
      throw ended();
    }
    return last;
  }

  /**
   * This result, if all went well.
   *
   * @throws IllegalStateException for any other code than 0, with the command's own message; in a
   *     notebook the cell then fails, and those below do not run
   */
  public CommandResult orThrow() {
    if (code != 0) {
      throw ended();
    }
    return this;
  }

  private IllegalStateException ended() {
    String said = messages.isBlank() ? report.strip() : messages.strip();
    return new IllegalStateException("sparsefill ended with code " + code + ": " + said);
  }
}
