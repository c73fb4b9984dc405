package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.AttentionCost;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.TileKeys;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.List;

/**
 * The index of one layer in device memory. What the patterns chose lies there as a whole, the lists
 * that the attention walks for one group of heads at a time: they are made when the group's turn
 * comes. Everything is enqueued; nobody waits.
 */
final class CudaIndex implements DeviceLists {
  private final IndexPlan plan;
  private final IndexBuilder builder;
  private final DeviceMemory.Block memory;
  private final Cost cost;
  private int built = -1; // the group whose lists are in memory, -1 if none

  /** An index over memory that the plan lays out, whose lines are chosen. */
  CudaIndex(
      IndexPlan plan,
      IndexBuilder builder,
      DeviceMemory.Block memory,
      StreamClock.Stretch stretch) {
    this.plan = plan;
    this.builder = builder;
    this.memory = memory;
    this.cost = new Cost(stretch);
  }

  /** Makes the lists of the first group already, so that they are there when the attention is. */
  void begin() {
    build(0);
  }

  @Override
  public AttentionShape shape() {
    return plan.shape();
  }

  @Override
  public int firstTile() {
    return plan.firstTile();
  }

  @Override
  public int groups() {
    return plan.groups().size();
  }

  @Override
  public Lists lists(int group) {
    build(group);
    IndexPlan.Group heads = plan.groups().get(group);
    IndexLayout layout = plan.layout();
    long begin = memory.address();
    return new Lists(
        heads.heads(),
        begin + layout.rows(),
        begin + layout.runs(),
        begin + layout.columns(),
        begin + plan.table().headList() + (long) heads.first() * Integer.BYTES);
  }

  IndexPlan plan() {
    return plan;
  }

  DeviceMemory.Block memory() {
    return memory;
  }

  /** Makes the lists of a group, unless they are there. */
  private void build(int group) {
    if (built == group) {
      return;
    }
    built = -1;
    Counts counts = builder.build(plan, plan.groups().get(group), memory);
    if (cost.groups[group] == null) {
      cost.groups[group] = counts;
    }
    built = group;
  }

  @Override
  public void attended() {
    cost.stretch.end();
  }

  @Override
  public AttentionCost cost() {
    return cost;
  }

  @Override
  public List<HeadPattern.GivenLines> lines() {
    return LineSelection.given(builder.read(plan, memory));
  }

  @Override
  public long[] headTiles() {
    long[] counts = new long[plan.heads()];
    for (int g = 0; g < groups(); g++) {
      build(g);
      IndexPlan.Group group = plan.groups().get(g);
      int[] words = builder.ints(memory, plan.layout().totals(), 4 * group.heads());
      for (int i = 0; i < group.heads(); i++) {
        long all = word(words, i);
        boolean dense = plan.runsDensely(group.first() + i, all);
        counts[group.first() + i] = dense ? plan.denseWanted() : word(words, group.heads() + i);
      }
    }
    return counts;
  }

  private static long word(int[] halves, int i) {
    return Integer.toUnsignedLong(halves[2 * i]) | (long) halves[2 * i + 1] << Integer.SIZE;
  }

  @Override
  public TileKeys keys(int head, int tile) {
    int g = 0;
    while (head >= plan.groups().get(g).end()) {
      g++;
    }
    Lists lists = lists(g);
    int row = (head - plan.groups().get(g).first()) * plan.queryTiles() + tile - plan.firstTile();
    int[] list = ints(lists.rows() + (long) row * IndexPlan.ROW_BYTES, 4);
    int[] runs = ints(lists.runs() + (long) list[0] * IndexPlan.RUN_BYTES, 2 * list[1]);
    int[] starts = new int[list[1]];
    int[] tiles = new int[list[1]];
    for (int run = 0; run < list[1]; run++) {
      starts[run] = runs[2 * run];
      tiles[run] = runs[2 * run + 1];
    }
    int[] columns = ints(lists.columns() + (long) list[2] * Integer.BYTES, list[3]);
    return new TileKeys(starts, tiles, columns);
  }

  private int[] ints(long address, int count) {
    return builder.ints(memory, address - memory.address(), count);
  }

  @Override
  public void close() {
    cost.stretch.end();
    memory.close();
    cost.closed = true;
  }

  /**
   * What the lists of one group say: sums over its heads, counted from {@link Findings#NOTHING}.
   *
   * @param computed tiles that the attention computes
   * @param sparse heads that are not dense
   */
  record Counts(Findings.Word computed, Findings.Word sparse) {}

  /** Reads what the groups said when they were built; groups that were not yet are built for it. */
  private final class Cost implements AttentionCost {
    private final StreamClock.Stretch stretch;
    private final Counts[] groups = new Counts[plan.groups().size()];
    private final long causalTiles = TileIndex.causalTiles(plan.shape(), plan.firstTile());
    private boolean closed;

    Cost(StreamClock.Stretch stretch) {
      this.stretch = stretch;
    }

    private void buildAll() {
      for (int group = 0; group < groups.length; group++) {
        if (groups[group] == null) {
          if (closed) {
            throw new IllegalStateException(
                "Cannot tell what the attention costs: its index was closed before it ran");
          }
          build(group);
        }
      }
    }

    @Override
    public long computedTiles() {
      buildAll();
      long sum = 0;
      for (Counts group : groups) {
        sum += group.computed.value() - Findings.NOTHING;
      }
      return sum;
    }

    @Override
    public long causalTiles() {
      return causalTiles;
    }

    @Override
    public int sparseHeads() {
      buildAll();
      long sum = 0;
      for (Counts group : groups) {
        sum += group.sparse.value() - Findings.NOTHING;
      }
      return Math.toIntExact(sum);
    }

    @Override
    public double seconds() {
      return stretch.seconds();
    }
  }
}
