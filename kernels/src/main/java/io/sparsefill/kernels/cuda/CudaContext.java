package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.JCudaDriver;

/**
 * The primary context of a device, as this JVM's backends share it with whatever else runs there
 * (RAPIDS), and the kernels loaded into it. Everything that lives in it holds it; the last one that
 * releases it unloads the kernels.
 */
final class CudaContext {
  private static final Map<Integer, CudaContext> OPEN = new HashMap<>();

  private final int ordinal;
  private final CUdevice device = new CUdevice();
  private final CUcontext handle = new CUcontext();
  private final Map<String, CudaModule> modules = new HashMap<>();
  private int holders;

  private CudaContext(int ordinal) {
    this.ordinal = ordinal;
    check(JCudaDriver.cuDeviceGet(device, ordinal), "find CUDA device " + ordinal);
    check(
        JCudaDriver.cuDevicePrimaryCtxRetain(handle, device),
        "retain the primary context of CUDA device " + ordinal);
  }

  /**
   * Holds the context of a device.
   *
   * @throws CudaFailure if there is no driver or device, saying why
   */
  static CudaContext acquire(int ordinal) {
    CudaDriver.unavailable()
        .or(() -> CudaDriver.tooOld(ordinal))
        .ifPresent(
            reason -> {
              throw new CudaFailure(
                  "Cannot open CUDA device %d: %s; use --backend cpu or auto"
                      .formatted(ordinal, reason));
            });
    synchronized (OPEN) {
      CudaContext context = OPEN.get(ordinal);
      if (context == null) {
        context = new CudaContext(ordinal);
        OPEN.put(ordinal, context);
      }
      context.holders++;
      return context;
    }
  }

  /** The device of the context that is current in the calling thread. */
  static OptionalInt current() {
    CUcontext current = new CUcontext();
    check(JCudaDriver.cuCtxGetCurrent(current), "ask for the current CUDA context");
    if (current.equals(new CUcontext())) {
      return OptionalInt.empty();
    }
    CUdevice device = new CUdevice();
    check(JCudaDriver.cuCtxGetDevice(device), "ask for the device of the current CUDA context");
    for (int i = 0; i < CudaDriver.devices(); i++) {
      CUdevice other = new CUdevice();
      check(JCudaDriver.cuDeviceGet(other, i), "find CUDA device " + i);
      if (other.equals(device)) {
        return OptionalInt.of(i);
      }
    }
    throw new CudaFailure(
        "Cannot tell the device of the current CUDA context: it is none that the driver lists");
  }

  /** Holds it once more. */
  void retain() {
    synchronized (OPEN) {
      holders++;
    }
  }

  /** Gives one hold back. */
  void release() {
    synchronized (OPEN) {
      if (--holders > 0) {
        return;
      }
      OPEN.remove(ordinal);
      enter();
      modules.values().forEach(CudaModule::unload);
      modules.clear();
      check(
          JCudaDriver.cuDevicePrimaryCtxRelease(device),
          "release the primary context of CUDA device " + ordinal);
    }
  }

  /** Makes the context current in the calling thread; every driver call needs that. */
  void enter() {
    check(JCudaDriver.cuCtxSetCurrent(handle), "make the CUDA context current");
  }

  /** The kernels of a PTX resource, loaded when they are asked for first. */
  CudaModule module(String name) {
    synchronized (OPEN) {
      CudaModule module = modules.get(name);
      if (module == null) {
        enter();
        module = CudaModule.load(PtxFile.read(name));
        modules.put(name, module);
      }
      return module;
    }
  }

  /** The device's name. */
  String name() {
    byte[] text = new byte[256];
    check(JCudaDriver.cuDeviceGetName(text, text.length, device), "read the device's name");
    int length = 0;
    while (length < text.length && text[length] != 0) {
      length++;
    }
    return new String(text, 0, length, StandardCharsets.UTF_8);
  }

  /** Name, compute capability and memory, for logs and the documents table. */
  String describe() {
    return "%s, sm_%d%d, %.0f GiB"
        .formatted(
            name(),
            attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
            attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
            totalBytes() / (double) (1L << 30));
  }

  /** Bytes of device memory. */
  long totalBytes() {
    long[] bytes = new long[1];
    check(JCudaDriver.cuDeviceTotalMem(bytes, device), "read the size of the device's memory");
    return bytes[0];
  }

  /** Bytes of device memory that are free now, for whichever process asks first. */
  long freeBytes() {
    enter();
    long[] free = new long[1];
    check(JCudaDriver.cuMemGetInfo(free, new long[1]), "read the device's free memory");
    return free[0];
  }

  /** A device attribute; see the constants of {@link CUdevice_attribute}. */
  int attribute(int which) {
    int[] value = new int[1];
    check(
        JCudaDriver.cuDeviceGetAttribute(value, which, device),
        "read " + CUdevice_attribute.stringFor(which));
    return value[0];
  }
}
