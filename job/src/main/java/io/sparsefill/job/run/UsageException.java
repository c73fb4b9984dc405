package io.sparsefill.job.run;

/**
 * A command cannot start as it was given: an option, a configuration key, the model folder, the
 * input or the output folder does not fit. Nothing was computed. The message stands alone, on one
 * line; exit code 2.
 */
public final class UsageException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** With a message for the user. */
  public UsageException(String message) {
    super(message);
  }

  /** With a message for the user and what it came from, for the log. */
  public UsageException(String message, Throwable cause) {
    super(message, cause);
  }
}
