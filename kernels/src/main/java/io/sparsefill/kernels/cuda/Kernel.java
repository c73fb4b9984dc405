package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import jcuda.Pointer;
import jcuda.driver.CUfunction;
import jcuda.driver.CUresult;
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
    launch(stream, gridX, gridY, threads, sharedBytes, parameters);
  }

  /** Starts it with smaller blocks than the largest, which its launch table names. */
  void launch(
      CudaStream stream,
      long gridX,
      long gridY,
      int blockThreads,
      int blockBytes,
      KernelParameters parameters) {
    StructWriter struct = StructWriter.ofThread();
    parameters.write(struct);
    // y is limited to 65535 blocks; the launchers put what grows with the document into x.
    stream.launch(
        name,
        () -> {
          int result =
              JCudaDriver.cuLaunchKernel(
                  function,
                  Math.toIntExact(gridX),
                  Math.toIntExact(gridY),
                  1,
                  blockThreads,
                  1,
                  1,
                  blockBytes,
                  stream.handle(),
                  Pointer.to(struct.address()),
                  null);
          // The text is only made for an error: launches are many.
          if (result != CUresult.CUDA_SUCCESS) {
            check(result, "start the kernel %s over %d x %d blocks".formatted(name, gridX, gridY));
          }
        });
  }

  /** Blocks that a multiprocessor holds at once. */
  int resident() {
    int[] blocks = new int[1];
    check(
        JCudaDriver.cuOccupancyMaxActiveBlocksPerMultiprocessor(
            blocks, function, threads, sharedBytes),
        "ask how many blocks of the kernel %s fit a multiprocessor".formatted(name));
    return blocks[0];
  }
}
