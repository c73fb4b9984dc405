package io.sparsefill.job.output;

import io.sparsefill.kernels.KvDtype;
import java.util.Locale;

/** How the bytes of a block's key and value lie in their cells: column {@code encoding}. */
enum CellEncoding {
  /** As they are. */
  PLAIN,
  /** {@link BytePlanes}. */
  PLANES;

  /** What the cells of a type are written in. */
  static CellEncoding of(KvDtype dtype, KvCompression compression) {
    return compression == KvCompression.ZSTD && dtype.bytes() == Short.BYTES ? PLANES : PLAIN;
  }

  /**
   * Reads a label.
   *
   * @param label null in rows of format version 1, which had no such column
   * @throws IllegalArgumentException naming the accepted labels
   */
  static CellEncoding of(String label) {
    if (label == null) {
      return PLAIN;
    }
    for (CellEncoding encoding : values()) {
      if (encoding.label().equals(label)) {
        return encoding;
      }
    }
    throw new IllegalArgumentException(
        "Unknown encoding '" + label + "' of a cell: this program reads plain and planes");
  }

  String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** What is written for the bytes of a block. */
  byte[] encode(byte[] bytes) {
    return this == PLANES ? BytePlanes.split(bytes) : bytes;
  }

  /** The bytes of a block from what was written for them. */
  byte[] decode(byte[] cell) {
    return this == PLANES ? BytePlanes.join(cell) : cell;
  }
}
