package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.Shapes;
import io.sparsefill.kernels.Tensor;

/**
 * A row-major matrix in device memory. Rows begin at 16-byte boundaries: where the columns do not
 * fill the stride, what lies between has no defined value.
 */
final class CudaTensor implements Tensor {
  private final Owner owner;
  private final boolean view;
  private final long firstByte;
  private final long rows;
  private final long cols;
  private final ElementType type;

  /** What a tensor and its views share. */
  private static final class Owner {
    private final DeviceMemory.Block memory;
    private CudaStream.Event written;
    private boolean recorded;

    Owner(DeviceMemory.Block memory) {
      this.memory = memory;
    }

    private synchronized void forget() {
      recorded = false;
    }

    private synchronized void record(CudaStream stream) {
      if (written == null) {
        written = new CudaStream.Event();
      }
      stream.record(written);
      recorded = true;
    }

    private synchronized boolean await(CudaStream stream) {
      if (recorded) {
        stream.await(written);
      }
      return recorded;
    }

    private synchronized void close() {
      memory.close();
      if (written != null) {
        written.close();
        written = null;
        recorded = false;
      }
    }
  }

  private CudaTensor(
      Owner owner, boolean view, long firstByte, long rows, long cols, ElementType type) {
    this.owner = owner;
    this.view = view;
    this.firstByte = firstByte;
    this.rows = rows;
    this.cols = cols;
    this.type = type;
  }

  static CudaTensor allocate(
      DeviceMemory memory, long rows, long cols, ElementType type, String what) {
    return new CudaTensor(
        new Owner(memory.allocate(type.bytes(rows, cols), what)), false, 0, rows, cols, type);
  }

  /** A tensor of bf16 in memory of its own, which stays from one document to the next. */
  static CudaTensor allocateOwn(DeviceMemory memory, long rows, long cols, String what) {
    ElementType type = ElementType.BF16;
    return new CudaTensor(
        new Owner(memory.allocateOwn(type.bytes(rows, cols), what)), false, 0, rows, cols, type);
  }

  static CudaTensor of(Tensor tensor) {
    if (tensor instanceof CudaTensor cuda) {
      return cuda;
    }
    throw new IllegalArgumentException(
        "The CUDA backend cannot use a " + tensor.getClass().getSimpleName());
  }

  /**
   * A tensor that must be {@code rows x cols} of bf16.
   *
   * @param what its name in the operator, for the error
   */
  static CudaTensor of(Tensor tensor, long rows, long cols, String what) {
    CudaTensor cuda = of(tensor);
    Shapes.check(cuda, rows, cols, what);
    return cuda.as(ElementType.BF16, what);
  }

  /** This tensor, if it has the type that an operator needs. */
  CudaTensor as(ElementType wanted, String what) {
    if (type != wanted) {
      throw new IllegalArgumentException(
          "Cannot compute: %s is %s, not %s".formatted(what, type, wanted));
    }
    return this;
  }

  @Override
  public long rows() {
    return rows;
  }

  @Override
  public long cols() {
    return cols;
  }

  ElementType type() {
    return type;
  }

  /** Elements from one row to the next. */
  long stride() {
    return type.stride(cols);
  }

  /** Bytes from one row to the next. */
  long rowBytes() {
    return stride() * type.bytes();
  }

  @Override
  public CudaTensor rows(long from, long count) {
    if (from < 0 || count < 0 || from > rows || count > rows - from) {
      throw new IndexOutOfBoundsException(
          "%d rows from row %d on of a tensor of %d rows".formatted(count, from, rows));
    }
    return new CudaTensor(owner, true, firstByte + from * rowBytes(), count, cols, type);
  }

  /** Address of the first element, valid while the owning tensor is open. */
  long address() {
    return owner.memory.address() + firstByte;
  }

  DeviceMemory.Block memory() {
    return owner.memory;
  }

  /** Offset of the first element in {@link #memory}, in bytes. */
  long firstByte() {
    return firstByte;
  }

  /** Says that an operator is about to write it: a recorded moment no longer covers that. */
  CudaTensor willBeWritten() {
    owner.forget();
    return this;
  }

  /** Records that it has its content as soon as the stream has come this far. */
  void writtenBy(CudaStream stream) {
    owner.record(stream);
  }

  /**
   * Lets a stream wait for the recorded moment.
   *
   * @return false if none is recorded
   */
  boolean awaitedBy(CudaStream stream) {
    return owner.await(stream);
  }

  @Override
  public void close() {
    if (!view) {
      owner.close();
    }
  }
}
