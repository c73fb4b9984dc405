package io.sparsefill.kernels.cuda;

/** Element types of device tensors. */
enum ElementType {
  /** bfloat16: weights, activations, keys and values. */
  BF16(2),
  /** fp32: RoPE tables and logits. */
  FP32(4);

  /** Rows begin at multiples of this, so that kernels may use 16-byte accesses. */
  private static final int ROW_ALIGNMENT = 16;

  private final int bytes;

  ElementType(int bytes) {
    this.bytes = bytes;
  }

  int bytes() {
    return bytes;
  }

  /** Bytes of a matrix. */
  long bytes(long rows, long cols) {
    return Math.multiplyExact(Math.multiplyExact(rows, stride(cols)), (long) bytes);
  }

  /** Elements from one row to the next. */
  long stride(long cols) {
    int step = ROW_ALIGNMENT / bytes;
    return Math.multiplyExact((cols + step - 1) / step, (long) step);
  }
}
