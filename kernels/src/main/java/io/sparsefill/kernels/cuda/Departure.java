package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.PackedRows;
import io.sparsefill.kernels.Shapes;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import jcuda.driver.JCudaDriver;

/**
 * How keys and values leave the device: packed and copied to page-locked memory on a stream of
 * their own, which waits only until they are written, so that the layer's attention runs meanwhile.
 * That stream goes first where both want the device: its kernels are short, and the copies behind
 * them need none of it.
 */
final class Departure implements AutoCloseable {
  private static final int SLOT_BYTES = 8 << 20;

  /** Scales lie behind the elements, from the next multiple of this on. */
  private static final int ALIGNMENT = 16;

  /** Two words behind both: the first element that is not finite, or too large. */
  private static final int BAD_AT = SLOT_BYTES + ALIGNMENT;

  private static final int BAD_BYTES = 2 * Long.BYTES;

  private final CudaContext context;
  private final DeviceMemory memory;
  private final CudaStream computing;
  private final CudaStream leaving = CudaStream.urgent();
  private final CudaStream.Event reached = new CudaStream.Event();
  private final Kernel pack;
  private final Kernel packFp8;
  private final List<Slot> slots = new ArrayList<>();
  private final Deque<Slot> free = new ArrayDeque<>();

  Departure(CudaContext context, DeviceMemory memory, CudaStream computing) {
    this.context = context;
    this.memory = memory;
    this.computing = computing;
    CudaModule module = context.module("packing");
    this.pack = module.kernel("pack");
    this.packFp8 = module.kernel("pack_fp8");
  }

  /** Packed rows on the device and on the host, kept for the next ones. */
  private static final class Slot {
    private final DeviceMemory.Block device;
    private final PinnedBuffer host;
    private final CudaStream.Event arrived;

    Slot(DeviceMemory memory) {
      device = memory.allocateOwn(BAD_AT + BAD_BYTES, "packing keys and values");
      boolean complete = false;
      try {
        host = new PinnedBuffer(BAD_AT + BAD_BYTES);
        arrived = new CudaStream.Event();
        complete = true;
      } finally {
        if (!complete) {
          device.close();
        }
      }
    }

    private void close() {
      arrived.close();
      host.close();
      device.close();
    }
  }

  /** See {@link io.sparsefill.kernels.Backend#packedRows}. */
  static int rows(long cols, KvDtype dtype, int headDim) {
    long rowBytes = cols * dtype.bytes() + cols / headDim * dtype.scaleBytes();
    if (rowBytes > SLOT_BYTES) {
      throw new IllegalArgumentException(
          "Cannot pack rows of %,d bytes: a buffer holds %,d".formatted(rowBytes, SLOT_BYTES));
    }
    return Math.toIntExact(SLOT_BYTES / rowBytes);
  }

  /** See {@link io.sparsefill.kernels.Backend#pack}. */
  synchronized PackedRows pack(CudaTensor rows, KvDtype dtype, int headDim) {
    int heads = Shapes.heads(rows, headDim);
    int most = rows(rows.cols(), dtype, headDim);
    if (rows.rows() > most) {
      throw new IllegalArgumentException(
          "Cannot pack %d rows at a time, only %d".formatted(rows.rows(), most));
    }
    context.enter();
    if (!rows.awaitedBy(leaving)) {
      computing.record(reached);
      leaving.await(reached);
    }
    Slot slot = take();
    boolean complete = false;
    try {
      start(rows, dtype, heads, slot);
      complete = true;
      return new Arriving(rows, dtype, heads, slot);
    } finally {
      if (!complete) {
        free.push(slot);
      }
    }
  }

  private Slot take() {
    if (free.isEmpty()) {
      Slot slot = new Slot(memory);
      slots.add(slot);
      return slot;
    }
    return free.pop();
  }

  private void start(CudaTensor rows, KvDtype dtype, int heads, Slot slot) {
    long elements = rows.rows() * rows.cols();
    check(
        JCudaDriver.cuMemsetD8Async(
            slot.device.at(BAD_AT), (byte) 0xff, BAD_BYTES, leaving.handle()),
        "clear the marks of bad elements");
    if (elements > 0) {
      if (dtype.scaled()) {
        quantise(rows, heads, slot);
      } else {
        convert(rows, dtype, slot);
      }
      long scales = rows.rows() * heads * dtype.scaleBytes();
      long bytes = scales == 0 ? elements * dtype.bytes() : scalesAt(elements) + scales;
      slot.host.copyFrom(slot.device, 0, bytes, 0, leaving);
    }
    slot.host.copyFrom(slot.device, BAD_AT, BAD_BYTES, BAD_AT, leaving);
    leaving.record(slot.arrived);
  }

  private void convert(CudaTensor rows, KvDtype dtype, Slot slot) {
    long elements = rows.rows() * rows.cols();
    long perBlock = (long) pack.threads() * pack.first();
    pack.launch(
        leaving,
        (elements + perBlock - 1) / perBlock,
        1,
        new PackingParameters.Pack(
            rows.address(),
            slot.device.address(),
            slot.device.address() + BAD_AT,
            rows.stride(),
            elements,
            Math.toIntExact(rows.cols()),
            rows.type() == ElementType.FP32,
            dtype.ordinal()));
  }

  private void quantise(CudaTensor rows, int heads, Slot slot) {
    int headDim = Math.toIntExact(rows.cols() / heads);
    int items = Math.toIntExact(rows.rows() * heads);
    int lanes = lanes(headDim);
    int perBlock = packFp8.threads() / lanes;
    packFp8.launch(
        leaving,
        (items + perBlock - 1) / perBlock,
        1,
        new PackingParameters.PackFp8(
            rows.address(),
            slot.device.address(),
            slot.device.address() + scalesAt(rows.rows() * rows.cols()),
            slot.device.address() + BAD_AT,
            rows.stride(),
            items,
            heads,
            headDim,
            rows.type() == ElementType.FP32,
            lanes));
  }

  /** Threads that share a head: a power of two, and a vector of eight elements for each. */
  private static int lanes(int headDim) {
    return headDim > 128 ? 32 : Integer.highestOneBit(2 * ((headDim + 7) / 8) - 1);
  }

  private static int scalesAt(long codes) {
    return Math.toIntExact((codes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
  }

  /** Rows in a slot. */
  private final class Arriving implements PackedRows {
    private final CudaTensor rows;
    private final KvDtype dtype;
    private final int heads;
    private final int cols;
    private Slot slot;

    Arriving(CudaTensor rows, KvDtype dtype, int heads, Slot slot) {
      this.rows = rows;
      this.dtype = dtype;
      this.heads = heads;
      this.cols = Math.toIntExact(rows.cols());
      this.slot = slot;
    }

    @Override
    public void copy(int from, int count, long named, byte[] target, int at) {
      ByteBuffer host = arrived();
      long end = (long) (from + count) * cols;
      long notFinite = host.getLong(BAD_AT);
      long tooLarge = dtype == KvDtype.FP16 ? host.getLong(BAD_AT + Long.BYTES) : -1;
      if (notFinite >= 0 && notFinite < end) {
        throw PackedRows.notFinite(
            named - from + notFinite / cols, notFinite % cols, element(notFinite));
      }
      if (tooLarge >= 0 && tooLarge < end) {
        throw PackedRows.beyondFp16(element(tooLarge));
      }
      int rowBytes = cols * dtype.bytes();
      host.get(from * rowBytes, target, at, count * rowBytes);
    }

    @Override
    public void copyScales(int from, int count, byte[] target, int at) {
      if (!dtype.scaled()) {
        throw PackedRows.unscaled(dtype);
      }
      int rowBytes = heads * dtype.scaleBytes();
      int scales = scalesAt(rows.rows() * cols);
      arrived().get(scales + from * rowBytes, target, at, count * rowBytes);
    }

    private ByteBuffer arrived() {
      Slot mine = slot();
      context.enter();
      mine.arrived.synchronize("packing keys and values");
      return mine.host.bytes();
    }

    private synchronized Slot slot() {
      if (slot == null) {
        throw new IllegalStateException("Packed rows were used after they were closed");
      }
      return slot;
    }

    /** An element as it was before packing, for an error's message. */
    private float element(long index) {
      long at =
          rows.firstByte() + index / cols * rows.rowBytes() + index % cols * rows.type().bytes();
      try (PinnedBuffer value = new PinnedBuffer(Float.BYTES)) {
        value.copyFrom(rows.memory(), at, rows.type().bytes(), 0, leaving);
        leaving.synchronize("reading an element");
        return rows.type() == ElementType.FP32
            ? value.bytes().getFloat(0)
            : HalfFloats.fromBf16(value.bytes().getShort(0));
      }
    }

    @Override
    public synchronized void close() {
      if (slot != null) {
        context.enter();
        slot.arrived.synchronize("packing keys and values");
        give(slot);
        slot = null;
      }
    }
  }

  private synchronized void give(Slot slot) {
    free.push(slot);
  }

  @Override
  public void close() {
    leaving.synchronize("packing keys and values");
    reached.close();
    leaving.close();
    slots.forEach(Slot::close);
  }
}
