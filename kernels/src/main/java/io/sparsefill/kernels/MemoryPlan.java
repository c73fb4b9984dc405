package io.sparsefill.kernels;

import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * The device memory that something takes, item by item, known before any of it is taken.
 *
 * @param items in the order in which they were asked for
 */
public record MemoryPlan(List<Item> items) {
  private static final double GIB = 1L << 30;

  /**
   * One thing in memory.
   *
   * @param what what it is for
   * @param bytes its size as the device allocates it
   */
  public record Item(String what, long bytes) {}

  /** Copies the items. */
  public MemoryPlan {
    items = List.copyOf(items);
  }

  /** Bytes of all items. */
  public long total() {
    return items.stream().mapToLong(Item::bytes).sum();
  }

  /** All items in GiB, in one line, for messages. */
  public String describe() {
    return items.stream()
        .map(item -> "%s %s".formatted(item.what(), gib(item.bytes())))
        .collect(Collectors.joining(", "));
  }

  /** A number of bytes in GiB, to two places. */
  public static String gib(long bytes) {
    return String.format(Locale.ROOT, "%.2f GiB", bytes / GIB);
  }
}
