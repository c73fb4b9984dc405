package io.sparsefill.kernels;

/**
 * Rows of a tensor on their way to the host, in the element type in which they are stored. The
 * tensor must neither be closed nor overwritten before this is closed. {@link #copy} may be called
 * by several threads.
 */
public interface PackedRows extends AutoCloseable {
  /**
   * Copies rows {@code [from, from + count)} as little-endian elements, row-major, into {@code
   * target} from byte {@code at} on; waits until they have arrived.
   *
   * @param named the number that messages give to row {@code from}
   * @throws ArithmeticException when a value is not finite or fp16 cannot hold it, naming the first
   *     such; rows behind it may fail as well, whatever they hold
   */
  void copy(int from, int count, long named, byte[] target, int at);

  /**
   * Copies the scales of rows {@code [from, from + count)} as little-endian fp32, {@code
   * [row][head]}, into {@code target} from byte {@code at} on; waits until they have arrived. Those
   * of rows that {@link #copy} refuses mean nothing.
   *
   * @throws IllegalStateException if the element type has none, {@link KvDtype#scaled}
   */
  void copyScales(int from, int count, byte[] target, int at);

  /** Gives back what the rows took on their way; waits for what is still under way. */
  @Override
  void close();

  /** The message of a value that is neither a number nor an infinity that can be stored. */
  static ArithmeticException notFinite(long row, long column, float value) {
    return new ArithmeticException(
        "Cannot store row %d, column %d: it is %s; check the model's weights"
            .formatted(row, column, value));
  }

  /** The message of a call for scales that there are not. */
  static IllegalStateException unscaled(KvDtype dtype) {
    return new IllegalStateException("Rows of " + dtype.label() + " have no scales");
  }

  /** The message of a value that fp16 cannot hold. */
  static ArithmeticException beyondFp16(float value) {
    return new ArithmeticException(
        "Cannot store %g as fp16, whose largest value is 65504: use --kv-dtype bf16"
            .formatted(value));
  }
}
