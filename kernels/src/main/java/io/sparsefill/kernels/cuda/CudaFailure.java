package io.sparsefill.kernels.cuda;

import java.util.Set;
import jcuda.driver.CUresult;

/** A call of the CUDA driver that failed, with what was being done. */
public final class CudaFailure extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** CUDA_ERROR_CONTAINED, newer than JCuda's constants. */
  private static final int CONTAINED = 226;

  /** CUDA_ERROR_TENSOR_MEMORY_LEAK, newer than JCuda's constants. */
  private static final int TENSOR_MEMORY_LEAK = 721;

  /**
   * Results after which every later call fails with the same. Of most the driver's documentation
   * says that the process must end; an uncorrectable ECC error and a destroyed context leave no
   * usable memory either.
   */
  private static final Set<Integer> STICKY =
      Set.of(
          CUresult.CUDA_ERROR_CONTEXT_IS_DESTROYED,
          CUresult.CUDA_ERROR_ECC_UNCORRECTABLE,
          CUresult.CUDA_ERROR_NVLINK_UNCORRECTABLE,
          CONTAINED,
          CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,
          CUresult.CUDA_ERROR_LAUNCH_TIMEOUT,
          CUresult.CUDA_ERROR_ASSERT,
          CUresult.CUDA_ERROR_HARDWARE_STACK_ERROR,
          CUresult.CUDA_ERROR_ILLEGAL_INSTRUCTION,
          CUresult.CUDA_ERROR_MISALIGNED_ADDRESS,
          CUresult.CUDA_ERROR_INVALID_ADDRESS_SPACE,
          CUresult.CUDA_ERROR_INVALID_PC,
          CUresult.CUDA_ERROR_LAUNCH_FAILED,
          TENSOR_MEMORY_LEAK);

  private final int code;

  CudaFailure(String message) {
    super(message);
    this.code = CUresult.CUDA_SUCCESS;
  }

  CudaFailure(String message, Throwable cause) {
    super(message, cause);
    this.code = CUresult.CUDA_SUCCESS;
  }

  /**
   * A call's failure.
   *
   * @param code what the driver returned
   */
  public CudaFailure(String message, int code) {
    super(message);
    this.code = code;
  }

  /**
   * Whether the device's context is lost to this process: after an illegal address, a failed launch
   * and their like every later call fails too, and only a new process can go on.
   */
  public boolean isSticky() {
    return STICKY.contains(code);
  }
}
