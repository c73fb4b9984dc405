package io.sparsefill.udf.model;

import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * Element types of the safetensors format. Weights are read from three of them; the others may lie
 * beside.
 */
public enum StoredDtype {
  /** One byte, 0 or 1. */
  BOOL(1),
  /** Unsigned byte. */
  U8(1),
  /** Signed byte. */
  I8(1),
  /** 8-bit float, 5 bits of exponent. */
  F8_E5M2(1),
  /** 8-bit float, 4 bits of exponent. */
  F8_E4M3(1),
  /** 8-bit power of two. */
  F8_E8M0(1),
  /** Signed 16-bit integer. */
  I16(2),
  /** Unsigned 16-bit integer. */
  U16(2),
  /** IEEE 754 binary16. */
  F16(2),
  /** bfloat16: the upper half of an fp32. */
  BF16(2),
  /** Signed 32-bit integer. */
  I32(4),
  /** Unsigned 32-bit integer. */
  U32(4),
  /** IEEE 754 binary32. */
  F32(4),
  /** IEEE 754 binary64. */
  F64(8),
  /** Signed 64-bit integer. */
  I64(8),
  /** Unsigned 64-bit integer. */
  U64(8);

  private final int bytes;

  StoredDtype(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes of one element. */
  public int bytes() {
    return bytes;
  }

  /** Whether weights of this type are read, as fp32. */
  public boolean isWeight() {
    return this == BF16 || this == F16 || this == F32;
  }

  /** The type of a name in a file's header, or null for a name that the format does not know. */
  static StoredDtype ofOrNull(String name) {
    return Arrays.stream(values()).filter(d -> d.name().equals(name)).findFirst().orElse(null);
  }

  /** All names, for messages. */
  static String names() {
    return Arrays.stream(values()).map(Enum::name).collect(Collectors.joining(", "));
  }
}
