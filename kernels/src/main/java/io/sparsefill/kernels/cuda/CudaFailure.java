package io.sparsefill.kernels.cuda;

/** A call of the CUDA driver that failed, with what was being done. */
public final class CudaFailure extends RuntimeException {
  private static final long serialVersionUID = 1;

  CudaFailure(String message) {
    super(message);
  }

  CudaFailure(String message, Throwable cause) {
    super(message, cause);
  }
}
