package io.sparsefill.kernels.bench;

/** Arguments that a program cannot use; the message says which and why. */
public final class UsageException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** With what is wrong. */
  public UsageException(String message) {
    super(message);
  }
}
