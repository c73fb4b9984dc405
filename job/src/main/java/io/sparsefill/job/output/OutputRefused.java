package io.sparsefill.job.output;

import java.io.IOException;

/**
 * The output folder cannot be used by this run, and nothing has been changed in it: not writable,
 * not an output folder, in use by another run, or (as {@link OutputConflict}) made with other
 * settings. An error of usage: exit code 2.
 */
public class OutputRefused extends IOException {
  private static final long serialVersionUID = 1;

  /** With a message for the user. */
  public OutputRefused(String message) {
    super(message);
  }

  /** With a message for the user and what the file system said. */
  public OutputRefused(String message, Throwable cause) {
    super(message, cause);
  }
}
