package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import jcuda.driver.CUfunction;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.CUmodule;
import jcuda.driver.JCudaDriver;

/** The kernels of one PTX file in a context. */
final class CudaModule {
  /** Dynamic shared memory that a kernel may take without asking. */
  private static final int SHARED_BYTES_FREE = 48 << 10;

  private final PtxFile file;
  private final CUmodule handle;
  private final Map<String, Kernel> kernels = new HashMap<>();

  private CudaModule(PtxFile file, CUmodule handle) {
    this.file = file;
    this.handle = handle;
  }

  /** Compiles a PTX file for the current context's device. */
  static CudaModule load(PtxFile file) {
    CUmodule handle = new CUmodule();
    byte[] text = file.text().getBytes(StandardCharsets.US_ASCII);
    // The driver reads up to a zero byte.
    byte[] terminated = Arrays.copyOf(text, text.length + 1);
    check(
        JCudaDriver.cuModuleLoadData(handle, terminated),
        "load the kernels " + file.name() + ".ptx (they need driver R525 or newer)");
    return new CudaModule(file, handle);
  }

  /** A kernel, with the block that it asks for. */
  synchronized Kernel kernel(String name) {
    return kernels.computeIfAbsent(name, this::find);
  }

  private Kernel find(String name) {
    CUfunction function = new CUfunction();
    check(
        JCudaDriver.cuModuleGetFunction(function, handle, name),
        "find the kernel %s in %s.ptx".formatted(name, file.name()));
    int[] launch = file.table(name + "_launch");
    if (launch[1] > SHARED_BYTES_FREE) {
      check(
          JCudaDriver.cuFuncSetAttribute(
              function,
              CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
              launch[1]),
          "give the kernel %s %d bytes of shared memory".formatted(name, launch[1]));
    }
    return new Kernel(name, function, launch[0], launch[1], launch[2], launch[3]);
  }

  void unload() {
    check(JCudaDriver.cuModuleUnload(handle), "unload the kernels " + file.name() + ".ptx");
  }
}
