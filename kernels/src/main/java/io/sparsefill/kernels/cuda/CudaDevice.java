package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import java.util.Optional;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.JCudaDriver;

/**
 * What is known of a CUDA device without computing on it, for people and for plans.
 *
 * @param device name, compute capability, multiprocessors, driver
 * @param products what multiplies matrices on it, and why not cuBLAS
 * @param attention what its attention kernels take
 * @param totalBytes of its memory
 * @param freeBytes of its memory, now
 */
public record CudaDevice(
    String device, String products, String attention, long totalBytes, long freeBytes) {
  /**
   * Looks at the first one.
   *
   * @throws CudaFailure if there is no driver or no fitting device, saying why
   */
  public static CudaDevice first() {
    return at(0);
  }

  /**
   * Looks at one of the devices that the process sees.
   *
   * @throws CudaFailure if there is no driver or no fitting device, saying why
   */
  public static CudaDevice at(int ordinal) {
    CudaContext context = CudaContext.acquire(ordinal);
    try {
      context.enter();
      return new CudaDevice(
          describe(context),
          products(context),
          "head_dim " + CudaAttention.HEAD_DIMS,
          context.totalBytes(),
          context.freeBytes());
    } finally {
      context.release();
    }
  }

  private static String describe(CudaContext context) {
    int[] version = new int[1];
    check(JCudaDriver.cuDriverGetVersion(version), "read the driver's version");
    return "%s, compute capability %d.%d, %d multiprocessors, driver for CUDA %d.%d"
        .formatted(
            context.name(),
            context.attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
            context.attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
            context.attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
            version[0] / 1000,
            version[0] % 1000 / 10);
  }

  private static String products(CudaContext context) {
    Optional<String> missing = CublasGemm.unavailable();
    try (CudaGemm gemm = GemmChoice.ofProperty().open(() -> TiledGemm.undivided(context))) {
      return gemm.name() + missing.map(why -> "; cuBLAS does not load: " + why).orElse("");
    }
  }
}
