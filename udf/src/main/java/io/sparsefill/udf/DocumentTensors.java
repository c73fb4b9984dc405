package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;

/**
 * What one document holds on the device from its pre-fill's begin on: until its end, or as long as
 * its cache is kept.
 */
final class DocumentTensors implements AutoCloseable {
  /** States and queries of all positions, and what the stages between need. */
  final Workspace work;

  /** Keys and values: of all layers where the cache is kept, else of those in flight. */
  final KvExit.Pair[] pairs;

  /** Where streamed layers go; empty where weights are resident. */
  final LayerTensors[] streamed;

  private final Buffers.OnDevice buffers;
  private final int tokens;
  private final int room;

  /**
   * Reserves the memory and allocates.
   *
   * @param tokens T
   * @param room tokens that may follow on its cache; 0 if it is not kept
   * @throws io.sparsefill.kernels.OutOfDeviceMemory naming every item, and what would help
   */
  DocumentTensors(
      Backend backend, DocumentMemory memory, ModelTensors model, int tokens, int room) {
    this.tokens = tokens;
    this.room = room;
    memory.reserve(backend, tokens, room);
    buffers = new Buffers.OnDevice(backend);
    boolean complete = false;
    try {
      work = memory.workspace(buffers, tokens, room);
      pairs = memory.pairs(buffers, tokens, room);
      streamed = model.streamed(buffers);
      complete = true;
    } finally {
      if (!complete) {
        buffers.close();
      }
    }
  }

  /** Whether the cache is kept. */
  boolean kept() {
    return room > 0;
  }

  /** Tokens that the document and what follows it may have together. */
  int positions() {
    return tokens + room;
  }

  @Override
  public void close() {
    buffers.close();
  }
}
