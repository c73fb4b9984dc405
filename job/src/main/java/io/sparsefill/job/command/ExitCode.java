package io.sparsefill.job.command;

/** What a command tells the shell. */
public final class ExitCode {
  /** All done. */
  public static final int DONE = 0;

  /** An unexpected end; what was committed stays. For doctor: a check failed. */
  public static final int CRASH = 1;

  /**
   * The command, its configuration, the model, the input or the output folder does not fit; nothing
   * was computed.
   */
  public static final int USAGE = 2;

  /**
   * Finished, but: documents failed and {@code --strict} is on; verify found problems; the demo's
   * answers were not all retrieved; samples of an evaluation failed.
   */
  public static final int PROBLEMS = 3;

  /** More documents failed than {@code --max-error-rate} allows. */
  public static final int ERROR_RATE = 4;

  private ExitCode() {}
}
