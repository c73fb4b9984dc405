package io.sparsefill.kernels;

/**
 * The memory of a device does not hold what was asked for. Unlike an {@link OutOfMemoryError} it
 * says nothing about the JVM, which goes on: Spark ends an executor after that error.
 */
public final class OutOfDeviceMemory extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** With what was asked for, for what, what is free, and what would help. */
  public OutOfDeviceMemory(String message) {
    super(message);
  }
}
