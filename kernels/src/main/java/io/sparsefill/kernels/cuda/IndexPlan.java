package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.attention.TileIndex.TILE;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.LineChoice;
import io.sparsefill.kernels.attention.EstimateCost;
import io.sparsefill.kernels.attention.HeadIndexing;
import io.sparsefill.kernels.attention.PatternCost;
import io.sparsefill.kernels.attention.TileIndex;
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

  static final int ROW_BYTES = 16;
  static final int RUN_BYTES = 8;

  /** Key tiles of a block of the line estimate: at least and at most. */
  private static final int LEAST_LINE_TILES = 4;

  private static final int MOST_LINE_TILES = 32;

  /** Blocks of the line estimate that are aimed at, for one item. */
  private static final int LINE_BLOCKS = 64;

  /**
   * Heads whose lists are built and attended together.
   *
   * @param first position of its first head
   * @param heads how many follow each other
   * @param firstBlockHead position of its first head in the list of block-sparse heads
   * @param blockHeads how many of its heads are block-sparse
   */
  record Group(int first, int heads, int firstBlockHead, int blockHeads) {
    /** Position behind its last head. */
    int end() {
      return first + heads;
    }
  }

  private final AttentionShape shape;
  private final boolean dispatch;
  private final int firstTile;
  private final int fromTile;
  private final int tiles;
  private final Kernels kernels;
  private final List<HeadPattern> patterns; // dense where that is decided already
  private final List<Integer> lineHeads = new ArrayList<>(); // estimated ones first
  private int estimatedHeads;
  private LineChoice choice = LineChoice.LAST_QUERIES;
  private final List<Integer> blockHeads = new ArrayList<>();
  private final List<Group> groups = new ArrayList<>();
  private final List<ListCapacity> capacities;
  private final IndexTable table;
  private final IndexLayout layout;
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
   * Plans.
   *
   * @param patterns one for each head
   * @param dispatch whether a head whose sparse cost would not be lower runs densely
   * @param firstTile first query tile that is wanted
   * @param listBytes bytes of the lists of one group; a single head may take more
   * @throws IllegalArgumentException if a list is longer than positions reach, there is not one
   *     pattern for each head, or the CPU alone has a pattern
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
    for (HeadPattern pattern : patterns) {
      if (pattern instanceof HeadPattern.TopKeys || pattern instanceof HeadPattern.Retrieved) {
        throw new IllegalArgumentException(
            "Cannot index %s on CUDA: only the CPU backend has it; use --backend cpu"
                .formatted(pattern));
      }
    }
    HeadIndexing indexing =
        new HeadIndexing(shape, patterns, dispatch, firstTile, EstimateCost.CUDA);
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
    this.capacities =
        this.patterns.stream().map(pattern -> ListCapacity.of(pattern, shape)).toList();
    for (int head = 0; head < patterns.size(); head++) {
      if (pattern(head) instanceof HeadPattern.GivenLines) {
        lineHeads.add(head);
      } else if (pattern(head) instanceof HeadPattern.Lines) {
        addEstimated(head);
      } else if (pattern(head) instanceof HeadPattern.BlockSparse) {
        blockHeads.add(head);
      }
    }
    group(listBytes);
    this.table = new IndexTable(this, kernels.lineHeads());
    this.layout = IndexLayout.of(this);
    this.denseTiles = new PatternCost(shape, 0, EstimateCost.CUDA).dense();
    this.denseWanted = new PatternCost(shape, firstTile, EstimateCost.CUDA).dense();
  }

  /** Adds a head whose lines are estimated. One pass over the keys serves all of them. */
  private void addEstimated(int head) {
    LineChoice own =
        pattern(head) instanceof HeadPattern.ChosenLines chosen
            ? chosen.choice()
            : LineChoice.LAST_QUERIES;
    if (estimatedHeads > 0 && !own.equals(choice)) {
      throw new IllegalArgumentException(
          "Cannot index heads on CUDA that choose their lines in different ways: head %d by %s, head %d by %s"
              .formatted(lineHeads.get(0), choice, head, own));
    }
    choice = own;
    lineHeads.add(estimatedHeads++, head);
  }

  /** Whether the number of a head's tiles shows only when they are built. */
  private static boolean isOpen(HeadPattern pattern) {
    return !(pattern instanceof HeadPattern.Dense || pattern instanceof HeadPattern.BlockSparse);
  }

  /** Of all query tiles, so that an index of fewer takes no more than one of all. */
  private long listBytes(ListCapacity capacity) {
    return RUN_BYTES * capacity.runs(0, tiles)
        + Integer.BYTES * capacity.columns(0, tiles)
        + (long) ROW_BYTES * tiles;
  }

  /** The heads of a KV head stay together, where that fits: they read the same keys and values. */
  private void group(long most) {
    int first = 0;
    long taken = 0;
    int unit;
    for (int head = 0; head < heads(); head += unit) {
      unit = shape.group() - head % shape.group();
      long bytes = 0;
      for (int i = head; i < head + unit; i++) {
        bytes += listBytes(capacities.get(i));
      }
      if (bytes > most) {
        unit = 1;
        bytes = listBytes(capacities.get(head));
      }
      if (head > first && taken + bytes > most) {
        addGroup(first, head);
        first = head;
        taken = 0;
      }
      taken += bytes;
    }
    addGroup(first, heads());
  }

  private void addGroup(int first, int end) {
    int from = (int) blockHeads.stream().filter(head -> head < first).count();
    int to = (int) blockHeads.stream().filter(head -> head < end).count();
    groups.add(new Group(first, end - first, from, to - from));
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

  IndexLayout layout() {
    return layout;
  }

  IndexTable table() {
    return table;
  }

  /** The pattern of a head: dense where that is decided already. */
  HeadPattern pattern(int head) {
    return patterns.get(head);
  }

  ListCapacity capacity(int head) {
    return capacities.get(head);
  }

  /**
   * Whether a head is dense after all, as {@code settle} in {@code tiles.cu} decides.
   *
   * @param built tiles of its pattern, counted from {@link #fromTile}
   */
  boolean runsDensely(int head, long built) {
    return pattern(head) instanceof HeadPattern.Dense
        || (dispatch && isOpen(pattern(head)) && built >= denseTiles);
  }

  /** Heads with lines: those whose lines are estimated, then those whose lines are given. */
  List<Integer> lineHeads() {
    return lineHeads;
  }

  /** How many of the heads with lines, from the first on, have lines that are estimated. */
  int estimatedHeads() {
    return estimatedHeads;
  }

  /** How the lines are chosen that are estimated. */
  LineChoice choice() {
    return choice;
  }

  /** Heads whose scores are means over rows, not MInference's sums. */
  int probedHeads() {
    return choice.equals(LineChoice.LAST_QUERIES) ? 0 : estimatedHeads;
  }

  /** Heads that are block-sparse. */
  List<Integer> blockHeads() {
    return blockHeads;
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
    return 2L * estimatedHeads * kernels.histogramInts() * Integer.BYTES;
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
