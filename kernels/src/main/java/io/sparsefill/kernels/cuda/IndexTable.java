package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.attention.IndexBuilders;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * The table of heads that the kernels of an index read, and the lists behind it: one piece of ints,
 * which lies at the begin of the index's memory.
 */
final class IndexTable {
  /** Ints of a head's entry; {@code index_table.cuh} has the same ones. */
  static final int ENTRY_INTS = 10;

  /** Kinds of a head, as {@code index_table.cuh} numbers them. */
  private enum Kind {
    DENSE,
    A_SHAPE,
    VERTICAL_SLASH,
    BLOCK_SPARSE,
    DILATED
  }

  // Where in an entry these of HeadEntry's ints stand.
  private static final int FIRST = 2;
  private static final int SECOND = 3;
  private static final int FIRST_AT = 4;
  private static final int SECOND_AT = 5;

  private final int lineHeads; // lines that a block of the estimate takes
  private final int[] items;
  private final int[] ints;
  private final int headList;
  private final int lineList;
  private final int itemList;
  private final int blockList;
  private final int kvList;
  private int chosenLines;
  private int pooled;

  /**
   * The table of a plan whose groups are known.
   *
   * @throws IllegalArgumentException if a list is longer than positions reach
   */
  IndexTable(IndexPlan plan, int lineHeads) {
    this.lineHeads = lineHeads;
    this.items = items(plan);
    headList = plan.heads() * ENTRY_INTS;
    lineList = headList + plan.heads();
    itemList = lineList + plan.lineHeads().size();
    blockList = itemList + items.length;
    kvList = blockList + plan.blockHeads().size();
    ints = new int[kvList + plan.shape().kvHeads()];
    IntBuffer out = IntBuffer.wrap(ints);
    for (IndexPlan.Group group : plan.groups()) {
      putGroup(plan, group, out);
    }
    putNumbers(plan.heads(), out);
    plan.lineHeads().forEach(out::put);
    out.put(items);
    plan.blockHeads().forEach(out::put);
    putNumbers(plan.shape().kvHeads(), out);
  }

  private static void putNumbers(int count, IntBuffer out) {
    for (int i = 0; i < count; i++) {
      out.put(i);
    }
  }

  /**
   * The estimated lines of each KV head, so many at a time as a block takes, -1 behind the last.
   */
  private int[] items(IndexPlan plan) {
    List<Integer> list = new ArrayList<>();
    int previous = -1;
    for (int line = 0; line < plan.estimatedHeads(); line++) {
      int kvHead = plan.lineHeads().get(line) / plan.shape().group();
      if (kvHead != previous) {
        fillItem(list);
      }
      list.add(line);
      previous = kvHead;
    }
    fillItem(list);
    return list.stream().mapToInt(Integer::intValue).toArray();
  }

  private void fillItem(List<Integer> list) {
    while (list.size() % lineHeads != 0) {
      list.add(-1);
    }
  }

  private void putGroup(IndexPlan plan, IndexPlan.Group group, IntBuffer out) {
    long runs = 0;
    long columns = 0;
    for (int head = group.first(); head < group.end(); head++) {
      ListCapacity capacity = plan.capacity(head);
      putEntry(head, plan.pattern(head), plan, out);
      out.put(capacity.runs()).put(capacity.columns());
      out.put(Math.toIntExact(runs)).put(Math.toIntExact(columns));
      runs += capacity.runs(plan.fromTile(), plan.tiles());
      columns += capacity.columns(plan.fromTile(), plan.tiles());
      if (Math.max(runs, columns) > Integer.MAX_VALUE) {
        throw new IllegalArgumentException(
            "Cannot index %,d tokens with %s: head %d may have %,d runs and %,d columns, more than positions of 31 bits; use smaller pattern sizes"
                .formatted(plan.shape().tokens(), plan.pattern(head), head, runs, columns));
      }
    }
  }

  /** Query head, kind, its sizes, and where its lines or pooled queries lie: {@code HeadEntry}. */
  private void putEntry(int head, HeadPattern pattern, IndexPlan plan, IntBuffer out) {
    int tokens = plan.shape().tokens();
    out.put(head);
    if (pattern instanceof HeadPattern.AShape aShape) {
      out.put(Kind.A_SHAPE.ordinal()).put(TileIndex.tiles(aShape.initial()));
      out.put(aShape.local()).put(plan.tiles()).put(0);
    } else if (pattern instanceof HeadPattern.TriShape triShape) {
      out.put(Kind.A_SHAPE.ordinal()).put(TileIndex.tiles(triShape.initial()));
      out.put(triShape.local()).put(IndexBuilders.firstTileOfLast(triShape, tokens)).put(0);
    } else if (pattern instanceof HeadPattern.Dilated window) {
      out.put(Kind.DILATED.ordinal()).put(TileIndex.tiles(window.initial()));
      // More distances than there are tokens are all of them, and could overflow where they add up.
      out.put(Math.min(window.local(), tokens)).put(Math.min(window.dilated(), tokens)).put(0);
    } else if (pattern instanceof HeadPattern.Lines sizes) {
      int verticals = LineSelection.verticalCount(sizes, tokens);
      int distances = LineSelection.distanceCount(sizes, tokens);
      out.put(Kind.VERTICAL_SLASH.ordinal()).put(verticals).put(distances);
      out.put(chosenLines).put(Math.addExact(chosenLines, verticals));
      chosenLines = Math.addExact(chosenLines, Math.addExact(verticals, distances));
    } else if (pattern instanceof HeadPattern.BlockSparse blocks) {
      out.put(Kind.BLOCK_SPARSE.ordinal()).put(blocks.topTiles()).put(0).put(pooled++).put(0);
    } else {
      out.put(Kind.DENSE.ordinal()).put(0).put(0).put(0).put(0);
    }
  }

  /** Where a head's chosen columns lie, counted in ints from those of the first head. */
  int columnsAt(int head) {
    return ints[head * ENTRY_INTS + FIRST_AT];
  }

  /** How many columns a head chooses. */
  int columnCount(int head) {
    return ints[head * ENTRY_INTS + FIRST];
  }

  /** Where a head's chosen distances lie. */
  int distancesAt(int head) {
    return ints[head * ENTRY_INTS + SECOND_AT];
  }

  /** How many distances a head chooses. */
  int distanceCount(int head) {
    return ints[head * ENTRY_INTS + SECOND];
  }

  /** The whole. */
  IntBuffer ints() {
    return IntBuffer.wrap(ints).asReadOnlyBuffer();
  }

  long bytes() {
    return (long) ints.length * Integer.BYTES;
  }

  /** Where the list of all query heads lies, in bytes. */
  long headList() {
    return (long) headList * Integer.BYTES;
  }

  /** Where the list of heads with lines lies. */
  long lineList() {
    return (long) lineList * Integer.BYTES;
  }

  /** Where the items of the line estimate lie. */
  long itemList() {
    return (long) itemList * Integer.BYTES;
  }

  /** Where the list of block-sparse heads lies. */
  long blockList() {
    return (long) blockList * Integer.BYTES;
  }

  /** Where the list of all KV heads lies. */
  long kvList() {
    return (long) kvList * Integer.BYTES;
  }

  /** Columns and distances that all heads choose. */
  int chosenLines() {
    return chosenLines;
  }

  /** Items of the line estimate: lines that share a block. */
  int itemCount() {
    return items.length / lineHeads;
  }

  /** The most lines of one item. */
  int linesOfItem() {
    int most = 0;
    for (int from = 0; from < items.length; from += lineHeads) {
      int count = 0;
      while (count < lineHeads && items[from + count] >= 0) {
        count++;
      }
      most = Math.max(most, count);
    }
    return most;
  }
}
