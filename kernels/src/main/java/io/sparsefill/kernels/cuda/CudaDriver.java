package io.sparsefill.kernels.cuda;

import java.util.Optional;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * The way to the CUDA driver: whether there is one, and the check of every call's result. Nothing
 * else in this package decides what a result code means.
 */
final class CudaDriver {
  /** What the driver must be for, as cuDriverGetVersion counts: CUDA 12.0, whose PTX is carried. */
  private static final int OLDEST = 12000;

  private static final Optional<String> UNAVAILABLE = initialise();

  private CudaDriver() {}

  /** Why there is no usable driver or device; empty when there is one. */
  static Optional<String> unavailable() {
    return UNAVAILABLE;
  }

  private static Optional<String> initialise() {
    try {
      int code = JCudaDriver.cuInit(0);
      if (code != CUresult.CUDA_SUCCESS) {
        return Optional.of("cuInit failed: " + describe(code));
      }
      int[] version = new int[1];
      check(JCudaDriver.cuDriverGetVersion(version), "read the driver's CUDA version");
      if (version[0] < OLDEST) {
        return Optional.of(
            "the driver is for CUDA %d.%d, but the kernels need 12.0 (driver R525) or newer"
                .formatted(version[0] / 1000, version[0] % 1000 / 10));
      }
      int[] devices = new int[1];
      code = JCudaDriver.cuDeviceGetCount(devices);
      if (code != CUresult.CUDA_SUCCESS) {
        return Optional.of("cuDeviceGetCount failed: " + describe(code));
      }
      return devices[0] > 0 ? tooOld(0) : Optional.of("the driver shows no device");
    } catch (CudaFailure e) {
      return Optional.of(e.getMessage());
    } catch (LinkageError e) { // no libcuda.so.1, or no JCuda natives for this system
      return Optional.of(
          "the CUDA driver does not load: "
              + JcudaLibrary.reason(e, "JCudaDriver", "jcuda-natives"));
    }
  }

  /** How many devices the process sees. */
  static int devices() {
    int[] devices = new int[1];
    check(JCudaDriver.cuDeviceGetCount(devices), "count CUDA devices");
    return devices[0];
  }

  /**
   * Why a device cannot run the kernels.
   *
   * @throws CudaFailure if there is no such device
   */
  static Optional<String> tooOld(int ordinal) {
    CUdevice device = new CUdevice();
    int[] major = new int[1];
    check(JCudaDriver.cuDeviceGet(device, ordinal), "find CUDA device " + ordinal);
    check(
        JCudaDriver.cuDeviceGetAttribute(
            major, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device),
        "read the compute capability of CUDA device " + ordinal);
    return major[0] >= 8
        ? Optional.empty()
        : Optional.of(
            "its compute capability is %d.x, but the kernels need 8.0 (A100) or newer"
                .formatted(major[0]));
  }

  /**
   * Checks a call.
   *
   * @param code what the call returned
   * @param action what it was for, after "Cannot"
   * @throws CudaFailure if it failed
   */
  static void check(int code, String action) {
    if (code != CUresult.CUDA_SUCCESS) {
      throw new CudaFailure("Cannot " + action + ": " + describe(code), code);
    }
  }

  /** Name and explanation of a result code. */
  static String describe(int code) {
    String[] text = new String[1];
    if (JCudaDriver.cuGetErrorString(code, text) != CUresult.CUDA_SUCCESS || text[0] == null) {
      return "CUDA error " + code;
    }
    return CUresult.stringFor(code) + " (" + text[0] + ")";
  }
}
