package io.sparsefill.kernels.cuda;

import java.util.Optional;
import jcuda.Pointer;
import jcuda.cudaDataType;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasComputeType;
import jcuda.jcublas.cublasGemmAlgo;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasMath;
import jcuda.jcublas.cublasOperation;
import jcuda.jcublas.cublasStatus;
import jcuda.runtime.cudaStream_t;

/**
 * Matrix products by NVIDIA's cuBLAS, which uses each GPU's own instructions. It is on hosts with a
 * CUDA 12 toolkit or run-time; a driver alone does not bring it, so that callers ask {@link
 * #unavailable} first.
 */
final class CublasGemm implements CudaGemm {
  private static final Optional<String> UNAVAILABLE = load();

  /** Factors of the product and of what was in the output, in host memory. */
  private static final Pointer ZERO = Pointer.to(new float[] {0});

  private static final Pointer ONE = Pointer.to(new float[] {1});

  private final cublasHandle handle;
  private final String name;
  private CudaStream stream;

  private CublasGemm(cublasHandle handle, String name) {
    this.handle = handle;
    this.name = name;
  }

  /** Why the library does not load; empty when it does. */
  static Optional<String> unavailable() {
    return UNAVAILABLE;
  }

  private static Optional<String> load() {
    try {
      JCublas2.initialize();
      return Optional.empty();
    } catch (LinkageError e) {
      return Optional.of(JcudaLibrary.reason(e, "JCublas2", "jcublas-natives"));
    }
  }

  /**
   * Makes cuBLAS ready in the current context.
   *
   * @throws CudaFailure if the library does not load or refuses the device
   */
  static CublasGemm open() {
    unavailable()
        .ifPresent(
            reason -> {
              throw new CudaFailure(
                  "Cannot load cuBLAS: %s; put the folder of a CUDA 12 libcublas.so.12 into LD_LIBRARY_PATH, or set sparsefill.gemm=own"
                      .formatted(reason));
            });
    cublasHandle handle = new cublasHandle();
    check(JCublas2.cublasCreate(handle), "create a cuBLAS handle");
    boolean complete = false;
    try {
      // Sums of parts of k stay fp32 when the output is bf16.
      check(
          JCublas2.cublasSetMathMode(
              handle, cublasMath.CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
          "set the precision of cuBLAS");
      int[] version = new int[1];
      check(JCublas2.cublasGetVersion(handle, version), "read the version of cuBLAS");
      CublasGemm gemm = new CublasGemm(handle, "cuBLAS " + dotted(version[0]));
      complete = true;
      return gemm;
    } finally {
      if (!complete) {
        JCublas2.cublasDestroy(handle);
      }
    }
  }

  /** 120604 is 12.6.4. */
  private static String dotted(int version) {
    return "%d.%d.%d".formatted(version / 10_000, version / 100 % 100, version % 100);
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public boolean addsBias() {
    return false;
  }

  /** The bias is ignored, see {@link #addsBias}. */
  @Override
  public void product(
      CudaStream on,
      CudaTensor a,
      CudaTensor w,
      CudaTensor bias,
      CudaTensor out,
      boolean accumulate) {
    if (stream != on) {
      check(
          JCublas2.cublasSetStream(handle, new cudaStream_t(on.handle())),
          "put cuBLAS on a CUDA stream");
      stream = on;
    }
    // cuBLAS counts by columns, where our rows are columns: out^T[n, m] = w[n, k] a^T[k, m].
    check(
        JCublas2.cublasGemmEx_new(
            handle,
            cublasOperation.CUBLAS_OP_T,
            cublasOperation.CUBLAS_OP_N,
            Math.toIntExact(w.rows()),
            Math.toIntExact(a.rows()),
            Math.toIntExact(a.cols()),
            ONE,
            new Address(w),
            type(w),
            Math.toIntExact(w.stride()),
            new Address(a),
            type(a),
            Math.toIntExact(a.stride()),
            accumulate ? ONE : ZERO,
            new Address(out),
            type(out),
            Math.toIntExact(out.stride()),
            cublasComputeType.CUBLAS_COMPUTE_32F,
            cublasGemmAlgo.CUBLAS_GEMM_DEFAULT),
        "multiply [%d, %d] and [%d, %d]^T by cuBLAS"
            .formatted(a.rows(), a.cols(), w.rows(), w.cols()));
  }

  private static int type(CudaTensor tensor) {
    return switch (tensor.type()) {
      case BF16 -> cudaDataType.CUDA_R_16BF;
      case FP32 -> cudaDataType.CUDA_R_32F;
    };
  }

  private static void check(int status, String action) {
    if (status != cublasStatus.CUBLAS_STATUS_SUCCESS) {
      throw new CudaFailure("Cannot " + action + ": " + cublasStatus.stringFor(status));
    }
  }

  @Override
  public void close() {
    check(JCublas2.cublasDestroy(handle), "destroy a cuBLAS handle");
  }

  /** A device address as JCuda passes it. */
  private static final class Address extends Pointer {
    Address(CudaTensor tensor) {
      super(tensor.address());
    }
  }
}
