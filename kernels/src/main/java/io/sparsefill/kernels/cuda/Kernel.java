package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import jcuda.Pointer;
import jcuda.driver.CUfunction;
import jcuda.driver.JCudaDriver;

/**
 * A kernel and the block that it is written for, as its launch table says.
 *
 * @param threads threads of a block
 * @param sharedBytes dynamic shared memory of a block
 * @param first a number whose meaning the kernel defines, most often rows of a block
 * @param second another one
 */
record Kernel(
    String name, CUfunction function, int threads, int sharedBytes, int first, int second) {
  /** Starts it over a grid of blocks; the call returns at once. */
  void launch(CudaStream stream, long gridX, long gridY, KernelParameters parameters) {
    StructWriter struct = new StructWriter();
    parameters.write(struct);
    // y is limited to 65535 blocks; the launchers put what grows with the document into x.
    stream.launch(
        name,
        () ->
            check(
                JCudaDriver.cuLaunchKernel(
                    function,
                    Math.toIntExact(gridX),
                    Math.toIntExact(gridY),
                    1,
                    threads,
                    1,
                    1,
                    sharedBytes,
                    stream.handle(),
                    Pointer.to(Pointer.to(struct.buffer())),
                    null),
                "start the kernel %s over %d x %d blocks".formatted(name, gridX, gridY)));
  }
}
