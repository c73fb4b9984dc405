package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jcuda.Pointer;
import jcuda.driver.JCudaDriver;

/** Page-locked host memory that copies to and from the device go through. */
final class PinnedBuffer implements AutoCloseable {
  private final Pointer pointer = new Pointer();
  private final ByteBuffer bytes;

  PinnedBuffer(int size) {
    check(
        JCudaDriver.cuMemHostAlloc(pointer, size, 0),
        "allocate %d bytes of page-locked host memory".formatted(size));
    bytes = pointer.getByteBuffer(0, size).order(ByteOrder.LITTLE_ENDIAN);
  }

  int size() {
    return bytes.capacity();
  }

  /** The whole memory from its begin; several threads may each take one. */
  ByteBuffer bytes() {
    return bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN).clear();
  }

  /** Enqueues a copy of its first bytes to the device. */
  void copyTo(DeviceMemory.Block target, long offset, long count, CudaStream stream) {
    check(
        JCudaDriver.cuMemcpyHtoDAsync(target.at(offset), pointer, count, stream.handle()),
        "copy %d bytes to the device".formatted(count));
  }

  /** Enqueues a copy from the device into this memory, from {@code at} on. */
  void copyFrom(DeviceMemory.Block source, long offset, long count, int at, CudaStream stream) {
    check(
        JCudaDriver.cuMemcpyDtoHAsync(
            pointer.withByteOffset(at), source.at(offset), count, stream.handle()),
        "copy %d bytes from the device".formatted(count));
  }

  @Override
  public void close() {
    check(JCudaDriver.cuMemFreeHost(pointer), "free page-locked host memory");
  }
}
