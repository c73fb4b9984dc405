package io.sparsefill.kernels.cuda;

import java.util.ArrayDeque;
import java.util.Deque;

/** What a backend owns: closed in the reverse order, every one even if one fails. */
final class Owned implements AutoCloseable {
  private final Deque<AutoCloseable> all = new ArrayDeque<>();

  /** Takes something over. */
  <T extends AutoCloseable> T add(T resource) {
    all.push(resource);
    return resource;
  }

  /**
   * Closes what is left.
   *
   * @throws CudaFailure with the first failure, which carries the others
   */
  @Override
  public void close() {
    Throwable failure = null;
    while (!all.isEmpty()) {
      try {
        all.pop().close();
      } catch (Exception e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw new CudaFailure("Cannot give back everything on the device: " + failure, failure);
    }
  }
}
