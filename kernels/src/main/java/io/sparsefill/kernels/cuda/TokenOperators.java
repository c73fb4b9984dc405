package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.RopeTable;
import java.nio.IntBuffer;

/**
 * The operators that take numbers from the host beside tensors: token ids, rotary frequencies,
 * targets. Uploads wait for nothing; only {@link #nll} waits, for its result.
 */
final class TokenOperators implements AutoCloseable {
  private final DeviceMemory memory;
  private final Transfers transfers;
  private final RowKernels rows;
  private DeviceMemory.Block scratch;

  TokenOperators(DeviceMemory memory, Transfers transfers, RowKernels rows) {
    this.memory = memory;
    this.transfers = transfers;
    this.rows = rows;
  }

  /** See {@link io.sparsefill.kernels.Backend#rope}. */
  CudaTensor rope(RopeTable rope, int tokens) {
    float[] frequencies = new float[rope.inverseFrequency().length];
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = (float) rope.inverseFrequency()[i];
    }
    CudaTensor table =
        CudaTensor.allocate(
            memory,
            tokens,
            2L * frequencies.length,
            ElementType.FP32,
            "RoPE of " + tokens + " positions");
    boolean complete = false;
    try (DeviceMemory.Block device =
        memory.allocate((long) frequencies.length * Float.BYTES, "RoPE frequencies")) {
      transfers.upload(frequencies, device);
      rows.rope(device.address(), rope.attentionScaling(), table);
      complete = true;
      return table;
    } finally {
      if (!complete) {
        table.close();
      }
    }
  }

  /** See {@link io.sparsefill.kernels.Backend#embed}. */
  void embed(CudaTensor table, int[] tokens, int from, CudaTensor out) {
    int count = Math.toIntExact(out.rows());
    for (int position = from; position < from + count; position++) {
      int token = tokens[position];
      if (token < 0 || token >= table.rows()) {
        throw new IllegalArgumentException(
            "Cannot embed token %d at position %d: the embedding table has %d rows; is the tokenizer that of the model?"
                .formatted(token, position, table.rows()));
      }
    }
    try (DeviceMemory.Block ids = memory.allocate((long) count * Integer.BYTES, "token ids")) {
      transfers.upload(IntBuffer.wrap(tokens, from, count), ids, 0);
      rows.embed(table, ids.address(), out.willBeWritten());
    }
  }

  /** See {@link io.sparsefill.kernels.Backend#nll}. */
  void nll(CudaTensor logits, int[] targets, int from, float[] result, int offset) {
    int count = Math.toIntExact(logits.rows());
    for (int i = from; i < from + count; i++) {
      if (targets[i] < 0 || targets[i] >= logits.cols()) {
        throw new IllegalArgumentException(
            "Cannot compute: target %d at position %d is outside of %d logits"
                .formatted(targets[i], i, logits.cols()));
      }
    }
    DeviceMemory.Block room = scratch((long) count * (Integer.BYTES + Float.BYTES));
    long ids = (long) count * Float.BYTES;
    transfers.upload(IntBuffer.wrap(targets, from, count), room, ids);
    rows.nll(logits, room.address() + ids, room.address());
    transfers.download(room, 0, result, offset, count);
  }

  /** Room for targets and log-likelihoods, kept for the next block of logits. */
  private DeviceMemory.Block scratch(long bytes) {
    if (scratch == null || scratch.size() < bytes) {
      close();
      scratch = memory.allocateOwn(bytes, "log-likelihoods");
    }
    return scratch;
  }

  @Override
  public void close() {
    if (scratch != null) {
      scratch.close();
      scratch = null;
    }
  }
}
