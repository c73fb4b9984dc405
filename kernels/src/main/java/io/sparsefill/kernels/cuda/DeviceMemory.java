package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import io.sparsefill.kernels.MemoryPlan;
import io.sparsefill.kernels.OutOfDeviceMemory;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The device memory of one backend, counted. Before memory is reserved every block is an allocation
 * of its own; afterwards blocks are parts of the one that was reserved. A block holds the context,
 * so tensors that outlive their backend stay valid until they are closed.
 */
final class DeviceMemory implements AutoCloseable {
  /** Blocks begin at multiples of this, and take multiples of it. */
  private static final long ALIGNMENT = 256;

  /**
   * What is left free when memory is reserved: kernels' local memory, the workspace of cuBLAS, and
   * what a backend allocates when it first needs it.
   */
  private static final long SPARE_BYTES = 512L << 20;

  private static final Logger LOG = LoggerFactory.getLogger(DeviceMemory.class);
  private static final double MIB = 1 << 20;

  private final CudaContext context;
  private final boolean poisoned;
  private Arena arena;
  private long bytes;
  private long peakBytes;
  private long blockBytes;
  private long peakBlockBytes;
  private long beyondArena;

  DeviceMemory(CudaContext context) {
    this(context, false);
  }

  /**
   * The memory of a backend.
   *
   * @param poisoned whether blocks are full of NaN when they are handed out, so that a test sees
   *     what reads memory that nothing wrote
   */
  DeviceMemory(CudaContext context, boolean poisoned) {
    this.context = context;
    this.poisoned = poisoned;
  }

  /** Bytes that a block of that many bytes takes. */
  static long blockBytes(long size) {
    return Math.max(1, (size + ALIGNMENT - 1) / ALIGNMENT) * ALIGNMENT;
  }

  /** Bytes that {@link #reserve} could set aside now. */
  synchronized long reservable() {
    long held = arena == null || arena.blocks > 0 ? 0 : arena.size;
    return Math.max(held, held + context.freeBytes() - SPARE_BYTES);
  }

  /**
   * Makes room for a plan: keeps what was reserved before if it is large enough, and replaces it
   * otherwise.
   *
   * @throws OutOfDeviceMemory naming every item of the plan and what is free
   */
  synchronized void reserve(MemoryPlan plan) {
    long size = plan.total();
    if (arena != null && arena.size >= size) {
      return;
    }
    retire();
    Block whole = new Block(new Address(), blockBytes(size), null);
    int code = JCudaDriver.cuMemAlloc(whole.pointer, whole.size);
    if (code == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      throw new OutOfDeviceMemory(
          "Cannot reserve %s of device memory: %s; %s of %s are free"
              .formatted(
                  MemoryPlan.gib(size),
                  plan.describe(),
                  MemoryPlan.gib(context.freeBytes()),
                  MemoryPlan.gib(context.totalBytes())));
    }
    check(code, "reserve %d bytes of device memory".formatted(whole.size));
    allocated(whole);
    arena = new Arena(whole);
  }

  /** Lets the arena go as soon as nothing lies in it. */
  private void retire() {
    if (arena != null) {
      arena.retired = true;
      arena.closeIfUnused();
      arena = null;
    }
  }

  /**
   * A block, for a tensor or what an operator needs while it runs; the content is undefined.
   *
   * @throws OutOfDeviceMemory naming what, how much, and what would help
   */
  synchronized Block allocate(long size, String what) {
    if (arena == null) {
      return allocateOwn(size, what);
    }
    Block block = arena.take(blockBytes(size));
    if (block != null) {
      return poison(block);
    }
    beyondArena += size;
    LOG.warn(
        "{} of {} bytes is allocated beyond the {} bytes that were reserved, of which {} are free",
        what,
        size,
        arena.size,
        arena.list.free());
    return allocateOwn(size, what);
  }

  /**
   * A block that never lies in what was reserved: for weights, and what a backend keeps from one
   * document to the next.
   */
  synchronized Block allocateOwn(long size, String what) {
    context.enter();
    Block block = new Block(new Address(), blockBytes(size), null);
    int code = JCudaDriver.cuMemAlloc(block.pointer, block.size);
    if (code == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      throw new OutOfDeviceMemory(
          "Cannot allocate %.1f MiB of device memory for %s: %.1f of %.1f MiB are free, %.1f MiB are this pre-fill's; use a shorter document, --weights stream, or fewer tasks on this GPU"
              .formatted(
                  size / MIB,
                  what,
                  context.freeBytes() / MIB,
                  context.totalBytes() / MIB,
                  bytes() / MIB));
    }
    check(code, "allocate %d bytes of device memory for %s".formatted(size, what));
    allocated(block);
    return poison(block);
  }

  private Block poison(Block block) {
    if (poisoned) {
      // What used the memory before must be done with it.
      check(JCudaDriver.cuCtxSynchronize(), "wait before device memory is poisoned");
      check(JCudaDriver.cuMemsetD8(block.pointer, (byte) 0xff, block.size), "poison device memory");
      check(JCudaDriver.cuCtxSynchronize(), "poison device memory");
    }
    return block;
  }

  private void allocated(Block block) {
    context.retain();
    bytes += block.size;
    peakBytes = Math.max(peakBytes, bytes);
  }

  /** Bytes that the device has allocated for this now. */
  synchronized long bytes() {
    return bytes;
  }

  /** The most bytes that the device had allocated for this at once. */
  synchronized long peakBytes() {
    return peakBytes;
  }

  /** The most bytes that blocks took of what was reserved. */
  synchronized long peakReservedBytes() {
    return peakBlockBytes;
  }

  /** Bytes of blocks that did not fit into what was reserved. */
  synchronized long beyondReserved() {
    return beyondArena;
  }

  /**
   * Gives back what was reserved; blocks that lie in it, and others, stay until they are closed.
   */
  synchronized void unreserve() {
    retire();
  }

  /** The same, at the end. */
  @Override
  public void close() {
    unreserve();
  }

  /** One large allocation that blocks are parts of. */
  private final class Arena {
    private final Block whole;
    private final long size;
    private final FreeList list;
    private int blocks;
    private boolean retired;

    Arena(Block whole) {
      this.whole = whole;
      this.size = whole.size;
      this.list = new FreeList(size);
    }

    /** A block, or null when no gap is large enough. */
    Block take(long size) {
      long at = list.take(size);
      if (at < 0) {
        return null;
      }
      blocks++;
      blockBytes += size;
      peakBlockBytes = Math.max(peakBlockBytes, blockBytes);
      return new Block(new Address(whole.pointer, at), size, this);
    }

    void give(Block block) {
      list.give(block.pointer.number() - whole.pointer.number(), block.size);
      blocks--;
      blockBytes -= block.size;
      closeIfUnused();
    }

    void closeIfUnused() {
      if (retired && blocks == 0) {
        whole.close();
      }
    }
  }

  /** Some device memory. */
  final class Block implements AutoCloseable {
    private final Address pointer;
    private final long size;
    private final Arena arena;
    private boolean closed;

    private Block(Address pointer, long size, Arena arena) {
      this.pointer = pointer;
      this.size = size;
      this.arena = arena;
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

    /**
     * Gives it back. An allocation of its own is freed after all work that the device still has to
     * do; a part of what was reserved may be taken again at once, by work that comes later on the
     * same stream. Closing twice is harmless.
     */
    @Override
    public void close() {
      synchronized (DeviceMemory.this) {
        if (closed) {
          return;
        }
        closed = true;
        if (arena != null) {
          arena.give(this);
          return;
        }
        context.enter();
        check(JCudaDriver.cuMemFree(pointer), "free device memory");
        bytes -= size;
        context.release();
      }
    }
  }

  /** JCuda keeps addresses to itself, but kernels' structs hold them as numbers. */
  private static final class Address extends CUdeviceptr {
    Address() {}

    Address(Address base, long offset) {
      super(base, offset);
    }

    long number() {
      return getNativePointer() + getByteOffset();
    }
  }
}
