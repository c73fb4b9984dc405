package io.sparsefill.udf;

import io.sparsefill.kernels.cuda.CudaFailure;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Optional;
import java.util.Set;

/**
 * This process can compute nothing more on its GPU: an operator failed in a way after which the
 * driver refuses every later call. No document is at fault, so none gets an error row for it.
 */
public final class DeviceLost extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private DeviceLost(Throwable cause) {
    super(
        "Cannot pre-fill on the GPU any more: its context in this process is lost after \"%s\";"
                .formatted(cause.getMessage())
            + " start the executor anew (spark.plugins=io.sparsefill.job.SparsefillPlugin lets it end by"
            + " itself, and Spark replace it), and look for Xid errors in the host's kernel log if it"
            + " comes again",
        cause);
  }

  /** What a failure means for the device: looks through causes and suppressed failures. */
  public static Optional<DeviceLost> of(Throwable failure) {
    return sticky(failure, Collections.newSetFromMap(new IdentityHashMap<>())).map(DeviceLost::new);
  }

  /** The same for a later caller, whose stack trace is another. */
  DeviceLost again() {
    return new DeviceLost(getCause());
  }

  private static Optional<CudaFailure> sticky(Throwable failure, Set<Throwable> seen) {
    if (failure == null || !seen.add(failure)) {
      return Optional.empty();
    }
    if (failure instanceof CudaFailure cuda && cuda.isSticky()) {
      return Optional.of(cuda);
    }
    Optional<CudaFailure> found = sticky(failure.getCause(), seen);
    for (Throwable suppressed : failure.getSuppressed()) {
      found = found.or(() -> sticky(suppressed, seen));
    }
    return found;
  }
}
