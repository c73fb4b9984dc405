package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * The device memory of one backend: plain allocations, counted. A block holds the context, so
 * tensors that outlive their backend stay valid until they are closed.
 */
final class DeviceMemory {
  private static final double MIB = 1 << 20;

  private final CudaContext context;
  private long bytes;
  private long peakBytes;

  DeviceMemory(CudaContext context) {
    this.context = context;
  }

  /**
   * Allocates; the content is undefined.
   *
   * @throws OutOfMemoryError naming what, how much, and what would help
   */
  Block allocate(long size, String what) {
    context.enter();
    Block block = new Block(Math.max(size, 1));
    int code = JCudaDriver.cuMemAlloc(block.pointer, block.size);
    if (code == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      throw new OutOfMemoryError(
          "Cannot allocate %.1f MiB of device memory for %s: %.1f of %.1f MiB are free, %.1f MiB are this pre-fill's; use a shorter document, --weights stream, or fewer tasks on this GPU"
              .formatted(
                  size / MIB,
                  what,
                  context.freeBytes() / MIB,
                  context.totalBytes() / MIB,
                  bytes() / MIB));
    }
    check(code, "allocate %d bytes of device memory for %s".formatted(size, what));
    context.retain();
    count(block.size);
    return block;
  }

  private synchronized void count(long size) {
    bytes += size;
    peakBytes = Math.max(peakBytes, bytes);
  }

  /** Bytes that are allocated now. */
  synchronized long bytes() {
    return bytes;
  }

  /** The most bytes that were allocated at once. */
  synchronized long peakBytes() {
    return peakBytes;
  }

  /** One allocation. */
  final class Block implements AutoCloseable {
    private final Address pointer = new Address();
    private final long size;
    private boolean closed;

    private Block(long size) {
      this.size = size;
    }

    /** The address on the device. */
    long address() {
      if (closed) {
        throw new IllegalStateException("Device memory of %d bytes is closed".formatted(size));
      }
      return pointer.number();
    }

    /** The address for copies, {@code offset} bytes in. */
    CUdeviceptr at(long offset) {
      address();
      return pointer.withByteOffset(offset);
    }

    long size() {
      return size;
    }

    /** Frees it, after all work that the device still has to do. Closing twice is harmless. */
    @Override
    public synchronized void close() {
      if (closed) {
        return;
      }
      closed = true;
      context.enter();
      check(JCudaDriver.cuMemFree(pointer), "free device memory");
      count(-size);
      context.release();
    }
  }

  /** JCuda keeps addresses to itself, but kernels' structs hold them as numbers. */
  private static final class Address extends CUdeviceptr {
    long number() {
      return getNativePointer();
    }
  }
}
