package io.sparsefill.kernels.cuda;

import java.util.Map;
import java.util.TreeMap;

/**
 * Which parts of a range of bytes are free: the first gap that is large enough is taken from, and
 * gaps that touch become one.
 */
final class FreeList {
  private final TreeMap<Long, Long> gaps = new TreeMap<>(); // first byte to length

  FreeList(long bytes) {
    gaps.put(0L, bytes);
  }

  /** Takes that many bytes; the first of them, or -1 when no gap is large enough. */
  long take(long bytes) {
    for (Map.Entry<Long, Long> gap : gaps.entrySet()) {
      long at = gap.getKey();
      long length = gap.getValue();
      if (length >= bytes) {
        gaps.remove(at);
        if (length > bytes) {
          gaps.put(at + bytes, length - bytes);
        }
        return at;
      }
    }
    return -1;
  }

  /** Gives back what {@link #take} returned. */
  void give(long at, long bytes) {
    long from = at;
    long length = bytes;
    Map.Entry<Long, Long> before = gaps.lowerEntry(at);
    if (before != null && before.getKey() + before.getValue() == at) {
      from = before.getKey();
      length += before.getValue();
    }
    Long behind = gaps.remove(at + bytes);
    gaps.put(from, behind == null ? length : length + behind);
  }

  /** Bytes of all gaps. */
  long free() {
    return gaps.values().stream().mapToLong(Long::longValue).sum();
  }

  /** Bytes of the largest gap. */
  long largest() {
    return gaps.values().stream().mapToLong(Long::longValue).max().orElse(0);
  }
}
