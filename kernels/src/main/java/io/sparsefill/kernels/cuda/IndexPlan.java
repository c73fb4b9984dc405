package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.attention.HeadIndexing;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.PatternCost;
import io.sparsefill.kernels.attention.TileIndex;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a layer's index needs on the device, known from the patterns alone: the table of its heads,
 * the groups in which they go, and where everything lies in one piece of memory.
 *
 * <p>Lists have room for the worst case, so that they can be written without counting first. Where
 * that is more than {@link #LIST_BYTES} for all heads, as at a million tokens, heads go in groups
 * one after the other, whose lists take the same place.
 */
final class IndexPlan {
  /**
   * Bytes of the lists of one group of heads: at a million tokens the four heads of a KV head with
   * the usual sizes. Their attention has 65,000 blocks, which lose nothing at their end; the memory
   * is small beside the hidden states of such a document. Positions in the lists fit an int.
   */
  static final long LIST_BYTES = 4L << 30;

  /** Pooled scores of block-sparse heads that are held at a time. */
  private static final long SCORE_BYTES = 256L << 20;

  /** Parts begin at multiples of this many bytes. */
  private static final long ALIGNMENT = 256;

  private static final int ENTRY_INTS = 10;
  private static final int ROW_BYTES = 16;
  private static final int RUN_BYTES = 8;

  /** Key tiles of a block of the line estimate: at least and at most. */
  private static final int LEAST_LINE_TILES = 4;

  private static final int MOST_LINE_TILES = 32;

  /** Blocks of the line estimate that are aimed at, for one item. */
  private static final int LINE_BLOCKS = 64;

  /** Kinds of a head in its entry, as {@code index_table.cuh} numbers them. */
  private enum Kind {
    DENSE,
    A_SHAPE,
    VERTICAL_SLASH,
    BLOCK_SPARSE
  }

  /**
   * Heads whose lists are built and attended together.
   *
   * @param first position of its first head
   * @param heads how many follow each other
   * @param firstBlockHead position of its first head in the list of block-sparse heads
   * @param blockHeads how many of its heads are block-sparse
   */
  record Group(int first, int heads, int firstBlockHead, int blockHeads) {}

  private final AttentionShape shape;
  private final boolean dispatch;
  private final int firstTile;
  private final int fromTile;
  private final int tiles;
  private final Kernels kernels;
  private final List<HeadPattern> patterns; // dense where that is decided already
  private final List<Integer> lineHeads = new ArrayList<>();
  private final List<Integer> blockHeads = new ArrayList<>();
  private final List<Group> groups = new ArrayList<>();
  private final int[] items;
  private final int[] table;
  private final int lines;
  private final Layout layout;
  private final long denseTiles;
  private final long denseWanted;

  /**
   * Sizes that the kernels' launch tables say.
   *
   * @param lineHeads heads that a block of the line estimate serves
   * @param selectKeys keys of a block of the line selection
   * @param histogramInts ints of the histograms of one list of lines
   */
  record Kernels(int lineHeads, int selectKeys, int histogramInts) {
    /** The sizes of the kernels in the jar. */
    static Kernels shipped() {
      return Shipped.SIZES;
    }

    private static final class Shipped {
      private static final Kernels SIZES = of(PtxFile.read("estimate"), PtxFile.read("select"));
    }

    private static Kernels of(PtxFile estimate, PtxFile select) {
      int[] histogram = select.table("line_histogram_launch");
      return new Kernels(
          estimate.table("line_max_d" + CudaAttention.HEAD_DIMS.get(0) + "_launch")[2],
          histogram[2],
          histogram[3]);
    }
  }

  /**
   * Where everything lies, in bytes from the begin. The estimate's scores and the lists take the
   * same place, one after the other.
   */
  record Layout(
      long totals,
      long lines,
      long pooledKeys,
      long pooledQueries,
      long vertical,
      long slash,
      long partials,
      long joined,
      long histograms,
      long counts,
      long rows,
      long rowsBefore,
      long runs,
      long columns,
      long scores,
      long bytes) {}

  /**
   * Plans.
   *
   * @param patterns one for each head
   * @param dispatch whether a head whose sparse cost would not be lower runs densely
   * @param firstTile first query tile that is wanted
   * @param listBytes bytes of the lists of one group; a single head may take more
   * @throws IllegalArgumentException if a list is longer than positions reach, or there is not one
   *     pattern for each head
   */
  IndexPlan(
      List<HeadPattern> patterns,
      AttentionShape shape,
      boolean dispatch,
      int firstTile,
      long listBytes,
      Kernels kernels) {
    this.shape = shape;
    this.dispatch = dispatch;
    this.firstTile = firstTile;
    this.tiles = TileIndex.tiles(shape.tokens());
    this.kernels = kernels;
    HeadIndexing indexing = new HeadIndexing(shape, patterns, dispatch, firstTile);
    Map<HeadPattern, Boolean> dense = new HashMap<>();
    this.patterns =
        patterns.stream()
            .map(
                pattern ->
                    dense.computeIfAbsent(pattern, indexing::isDense)
                        ? new HeadPattern.Dense()
                        : pattern)
            .toList();
    boolean open = this.patterns.stream().anyMatch(IndexPlan::isOpen);
    this.fromTile = dispatch && open ? 0 : firstTile;
    ListCapacity[] capacities = new ListCapacity[patterns.size()];
    for (int i = 0; i < capacities.length; i++) {
      HeadPattern pattern = this.patterns.get(i);
      capacities[i] = ListCapacity.of(pattern, shape);
      if (pattern instanceof HeadPattern.VerticalSlash) {
        lineHeads.add(i);
      } else if (pattern instanceof HeadPattern.BlockSparse) {
        blockHeads.add(i);
      }
    }
    group(capacities, listBytes);
    this.items = items();
    this.table = new int[tableInts()];
    this.lines = fillTable(capacities);
    this.layout = layOut(capacities);
    this.denseTiles = new PatternCost(shape, 0).dense();
    this.denseWanted = new PatternCost(shape, firstTile).dense();
  }

  /** Whether the number of a head's tiles shows only when they are built. */
  private static boolean isOpen(HeadPattern pattern) {
    return pattern instanceof HeadPattern.AShape || pattern instanceof HeadPattern.VerticalSlash;
  }

  /** Of all query tiles, so that an index of fewer takes no more than one of all. */
  private long listBytes(ListCapacity capacity) {
    return RUN_BYTES * capacity.runs(0, tiles)
        + Integer.BYTES * capacity.columns(0, tiles)
        + (long) ROW_BYTES * tiles;
  }

  /** The heads of a KV head stay together, where that fits: they read the same keys and values. */
  private void group(ListCapacity[] capacities, long most) {
    int first = 0;
    long taken = 0;
    int unit;
    for (int head = 0; head < capacities.length; head += unit) {
      unit = shape.group() - head % shape.group();
      long bytes = 0;
      for (int i = head; i < head + unit; i++) {
        bytes += listBytes(capacities[i]);
      }
      if (bytes > most) {
        unit = 1;
        bytes = listBytes(capacities[head]);
      }
      if (head > first && taken + bytes > most) {
        addGroup(first, head);
        first = head;
        taken = 0;
      }
      taken += bytes;
    }
    addGroup(first, capacities.length);
  }

  private void addGroup(int first, int end) {
    int from = (int) blockHeads.stream().filter(head -> head < first).count();
    int to = (int) blockHeads.stream().filter(head -> head < end).count();
    groups.add(new Group(first, end - first, from, to - from));
  }

  /** The lines of each KV head, so many at a time as a block serves. */
  private int[] items() {
    List<Integer> list = new ArrayList<>();
    int previous = -1;
    for (int line = 0; line < lineHeads.size(); line++) {
      int kvHead = lineHeads.get(line) / shape.group();
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
    while (list.size() % kernels.lineHeads() != 0) {
      list.add(-1);
    }
  }

  private int tableInts() {
    return heads() * (ENTRY_INTS + 1)
        + lineHeads.size()
        + items.length
        + blockHeads.size()
        + shape.kvHeads();
  }

  /** Fills the table, and returns how many lines are chosen. */
  private int fillTable(ListCapacity[] capacities) {
    IntBuffer out = IntBuffer.wrap(table);
    int position = 0;
    int pooled = 0;
    for (Group group : groups) {
      long runs = 0;
      long columns = 0;
      for (int head = group.first(); head < group.first() + group.heads(); head++) {
        HeadPattern pattern = patterns.get(head);
        out.put(head);
        if (pattern instanceof HeadPattern.AShape aShape) {
          out.put(Kind.A_SHAPE.ordinal()).put(TileIndex.tiles(aShape.initial()));
          out.put(aShape.local()).put(0).put(0);
        } else if (pattern instanceof HeadPattern.VerticalSlash sizes) {
          int verticals = LineSelection.verticalCount(sizes, shape.tokens());
          int distances = LineSelection.slashCount(sizes, shape.tokens());
          out.put(Kind.VERTICAL_SLASH.ordinal()).put(verticals).put(distances);
          out.put(position).put(Math.addExact(position, verticals));
          position = Math.addExact(position, Math.addExact(verticals, distances));
        } else if (pattern instanceof HeadPattern.BlockSparse blocks) {
          out.put(Kind.BLOCK_SPARSE.ordinal()).put(blocks.topTiles()).put(0).put(pooled++).put(0);
        } else {
          out.put(Kind.DENSE.ordinal()).put(0).put(0).put(0).put(0);
        }
        out.put(capacities[head].runs()).put(capacities[head].columns());
        out.put(Math.toIntExact(runs)).put(Math.toIntExact(columns));
        runs += capacities[head].runs(fromTile, tiles);
        columns += capacities[head].columns(fromTile, tiles);
        if (Math.max(runs, columns) > Integer.MAX_VALUE) {
          throw new IllegalArgumentException(
              "Cannot index %,d tokens with %s: head %d may have %,d runs and %,d columns, more than positions of 31 bits; use smaller pattern sizes"
                  .formatted(shape.tokens(), pattern, head, runs, columns));
        }
      }
    }
    for (int head = 0; head < heads(); head++) {
      out.put(head);
    }
    lineHeads.forEach(out::put);
    out.put(items);
    blockHeads.forEach(out::put);
    for (int head = 0; head < shape.kvHeads(); head++) {
      out.put(head);
    }
    return position;
  }

  private Layout layOut(ListCapacity[] capacities) {
    Places fixed = new Places(0);
    fixed.place((long) table.length * Integer.BYTES);
    long d = shape.headDim();
    int queryTiles = tiles - firstTile;
    long totals = fixed.place(2L * heads() * Long.BYTES);
    long chosen = fixed.place((long) lines * Integer.BYTES);
    boolean pools = !blockHeads.isEmpty();
    long pooledKeys = fixed.place(pools ? shape.kvHeads() * tiles * d * Float.BYTES : 0);
    long pooledQueries = fixed.place(blockHeads.size() * queryTiles * d * Float.BYTES);

    long estimated = lineHeads.size();
    Places scores = new Places(fixed.end);
    long vertical = scores.place(estimated * shape.tokens() * Float.BYTES);
    long slash = scores.place(estimated * shape.tokens() * Float.BYTES);
    long partials = scores.place(estimated * lineBlocks() * 2 * TILE * Float.BYTES);
    long joined = scores.place(estimated * 2 * TILE * Float.BYTES);
    long histograms = scores.place(histogramBytes());
    long counts = scores.place(2 * estimated * selectBlocks() * 2 * Integer.BYTES);

    long mostRuns = 0;
    long mostColumns = 0;
    long mostHeads = 0;
    for (Group group : groups) {
      long runs = 0;
      long columns = 0;
      for (int head = group.first(); head < group.first() + group.heads(); head++) {
        runs += capacities[head].runs(fromTile, tiles);
        columns += capacities[head].columns(fromTile, tiles);
      }
      mostRuns = Math.max(mostRuns, runs);
      mostColumns = Math.max(mostColumns, columns);
      mostHeads = Math.max(mostHeads, group.heads());
    }
    Places lists = new Places(fixed.end);
    long rows = lists.place(mostHeads * (tiles - fromTile) * ROW_BYTES);
    long rowsBefore = rows + mostHeads * queryTiles * ROW_BYTES;
    long runs = lists.place(mostRuns * RUN_BYTES);
    long columns = lists.place(mostColumns * Integer.BYTES);
    long tileScores =
        lists.place(pools ? (long) scoreBlocksAtOnce() * TILE * tiles * Float.BYTES : 0);
    return new Layout(
        totals,
        chosen,
        pooledKeys,
        pooledQueries,
        vertical,
        slash,
        partials,
        joined,
        histograms,
        counts,
        rows,
        rowsBefore,
        runs,
        columns,
        tileScores,
        Math.max(scores.end, lists.end));
  }

  /** Parts one behind the other. */
  private static final class Places {
    private long end;

    Places(long begin) {
      end = begin;
    }

    long place(long bytes) {
      long at = end;
      end = (Math.addExact(at, bytes) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
      return at;
    }
  }

  AttentionShape shape() {
    return shape;
  }

  int heads() {
    return shape.heads();
  }

  boolean dispatch() {
    return dispatch;
  }

  /** First query tile that is wanted. */
  int firstTile() {
    return firstTile;
  }

  /** First query tile that is built: 0 where a head's cost over all of them decides. */
  int fromTile() {
    return fromTile;
  }

  /** Query tiles of the document. */
  int tiles() {
    return tiles;
  }

  int queryTiles() {
    return tiles - firstTile;
  }

  /** Tiles of a dense head from query tile 0 on. */
  long denseTiles() {
    return denseTiles;
  }

  /** Tiles of a dense head from the first query tile that is wanted. */
  long denseWanted() {
    return denseWanted;
  }

  List<Group> groups() {
    return groups;
  }

  Layout layout() {
    return layout;
  }

  /** The table of heads and the lists behind it, to be copied to the begin of the memory. */
  IntBuffer table() {
    return IntBuffer.wrap(table).asReadOnlyBuffer();
  }

  /** Where the list of all query heads lies, in bytes. */
  long headList() {
    return (long) heads() * ENTRY_INTS * Integer.BYTES;
  }

  /** Where the list of heads with lines lies. */
  long lineList() {
    return headList() + (long) heads() * Integer.BYTES;
  }

  /** Where the items of the line estimate lie. */
  long itemList() {
    return lineList() + (long) lineHeads.size() * Integer.BYTES;
  }

  /** Where the list of block-sparse heads lies. */
  long blockList() {
    return itemList() + (long) items.length * Integer.BYTES;
  }

  /** Where the list of all KV heads lies. */
  long kvList() {
    return blockList() + (long) blockHeads.size() * Integer.BYTES;
  }

  /** Heads whose lines are estimated. */
  int lineCount() {
    return lineHeads.size();
  }

  /** Heads that are block-sparse. */
  int blockCount() {
    return blockHeads.size();
  }

  /** Items of the line estimate: lines that share a block. */
  int itemCount() {
    return items.length / kernels.lineHeads();
  }

  /** The most lines of one item. */
  int linesOfItem() {
    int most = 0;
    for (int from = 0; from < items.length; from += kernels.lineHeads()) {
      int count = 0;
      while (count < kernels.lineHeads() && items[from + count] >= 0) {
        count++;
      }
      most = Math.max(most, count);
    }
    return most;
  }

  /** Key tiles of one block of the line estimate; results depend on it in their last bits. */
  int lineTiles() {
    return Math.max(LEAST_LINE_TILES, Math.min(MOST_LINE_TILES, tiles / LINE_BLOCKS));
  }

  /** Blocks of the line estimate, for one item. */
  int lineBlocks() {
    return (tiles + lineTiles() - 1) / lineTiles();
  }

  /** Blocks of the line selection, for one list. */
  int selectBlocks() {
    return (shape.tokens() + kernels.selectKeys() - 1) / kernels.selectKeys();
  }

  long histogramBytes() {
    return 2L * lineHeads.size() * kernels.histogramInts() * Integer.BYTES;
  }

  /** Blocks of 64 query tiles of one head whose pooled scores are held. */
  int scoreBlocks() {
    return TileIndex.tiles(queryTiles());
  }

  /** Blocks of 64 query tiles whose pooled scores are held at a time. */
  int scoreBlocksAtOnce() {
    long one = (long) TILE * tiles * Float.BYTES;
    long all = (long) scoreBlocks() * blockHeads.size();
    return (int) Math.min(65535, Math.min(all, Math.max(1, SCORE_BYTES / one)));
  }
}
