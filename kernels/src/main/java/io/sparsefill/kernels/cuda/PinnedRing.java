package io.sparsefill.kernels.cuda;

import java.nio.ByteBuffer;

/**
 * Page-locked slots that are filled in turn and copied to the device in the order of a stream.
 * Filling goes on while earlier slots are still being copied; only a slot that comes round again is
 * waited for. Used by one thread at a time.
 */
final class PinnedRing implements AutoCloseable {
  private final int slotBytes;
  private final Slot[] slots;
  private int next;

  /**
   * A ring; its memory is allocated as it is used.
   *
   * @param slots how many
   * @param slotBytes bytes of each
   */
  PinnedRing(int slots, int slotBytes) {
    this.slots = new Slot[slots];
    this.slotBytes = slotBytes;
  }

  int slotBytes() {
    return slotBytes;
  }

  /** The next slot, free to be filled. */
  Slot take() {
    if (slots[next] == null) {
      slots[next] = new Slot(slotBytes);
    }
    Slot slot = slots[next];
    next = (next + 1) % slots.length;
    slot.sent.synchronize("an upload");
    return slot;
  }

  @Override
  public void close() {
    for (Slot slot : slots) {
      if (slot != null) {
        slot.sent.synchronize("an upload");
        slot.close();
      }
    }
  }

  /** One of its buffers. */
  static final class Slot {
    private final PinnedBuffer buffer;
    private final CudaStream.Event sent;

    private Slot(int bytes) {
      this.sent = new CudaStream.Event();
      boolean complete = false;
      try {
        this.buffer = new PinnedBuffer(bytes);
        complete = true;
      } finally {
        if (!complete) {
          sent.close();
        }
      }
    }

    /** The memory to fill; several threads may each take one. */
    ByteBuffer bytes() {
      return buffer.bytes();
    }

    /** Enqueues the copy of the first bytes; the slot comes round when that is done. */
    void send(DeviceMemory.Block target, long offset, long count, CudaStream stream) {
      buffer.copyTo(target, offset, count, stream);
      stream.record(sent);
    }

    private void close() {
      sent.close();
      buffer.close();
    }
  }
}
