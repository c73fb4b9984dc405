package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.attention.LineSelection;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Makes the indices of a backend's layers on the device. */
final class IndexBuilder {
  /**
   * Kinds of scores in the word of the first one that is NaN, as {@code select.cu} numbers them.
   */
  private static final List<String> SCORES = List.of("column", "diagonal", "key tile");

  private final DeviceMemory device;
  private final Transfers transfers;
  private final Findings findings;
  private final StreamClock clock;
  private final LineKernels lines;
  private final BlockKernels blocks;
  private final TileKernels tiles;
  private final IndexPlan.Kernels sizes = IndexPlan.Kernels.shipped();
  private int calls = -1;

  IndexBuilder(
      CudaContext context,
      DeviceMemory device,
      CudaStream stream,
      Transfers transfers,
      Findings findings,
      StreamClock clock) {
    this.device = device;
    this.transfers = transfers;
    this.findings = findings;
    this.clock = clock;
    this.lines = new LineKernels(context, stream);
    this.blocks = new BlockKernels(context, stream);
    this.tiles = new TileKernels(context, stream);
  }

  /** Says that errors are counted from the next call on. */
  void restartCount() {
    calls = -1;
  }

  /**
   * What an index takes; see {@link IndexPlan}.
   *
   * @param listBytes bytes of the lists of one group of heads
   */
  IndexPlan plan(
      List<HeadPattern> patterns,
      AttentionShape shape,
      boolean dispatch,
      int firstTile,
      long listBytes) {
    return new IndexPlan(patterns, shape, dispatch, firstTile, listBytes, sizes);
  }

  /** Enqueues the estimates and the choice of lines, and the lists of the first group of heads. */
  CudaIndex index(IndexPlan plan, CudaTensor q, CudaTensor k) {
    calls++;
    StreamClock.Stretch stretch = clock.begin();
    DeviceMemory.Block memory =
        device.allocate(
            plan.layout().bytes(), "the attention index of " + plan.shape().tokens() + " tokens");
    CudaIndex index = new CudaIndex(plan, this, memory, stretch);
    boolean complete = false;
    try {
      transfers.upload(plan.table().ints(), memory, 0);
      if (plan.estimatedHeads() > 0) {
        lines.run(plan, memory, q, k, expectNoNan().address());
      }
      if (plan.lineHeads().size() > 0) {
        uploadGiven(plan, memory);
        tiles.spans(plan, memory);
      }
      blocks.pool(plan, memory.address(), q, k);
      index.begin();
      complete = true;
      return index;
    } finally {
      if (!complete) {
        index.close();
      }
    }
  }

  private void uploadGiven(IndexPlan plan, DeviceMemory.Block memory) {
    for (int head : plan.lineHeads().subList(plan.estimatedHeads(), plan.lineHeads().size())) {
      HeadPattern.GivenLines given = (HeadPattern.GivenLines) plan.pattern(head);
      long lines = plan.layout().lines();
      transfers.upload(
          IntBuffer.wrap(given.verticals()),
          memory,
          lines + (long) plan.table().columnsAt(head) * Integer.BYTES);
      transfers.upload(
          IntBuffer.wrap(given.distances()),
          memory,
          lines + (long) plan.table().distancesAt(head) * Integer.BYTES);
    }
  }

  /** Waits for the lines that the heads chose; null for a head without lines. */
  List<LineSelection> read(IndexPlan plan, DeviceMemory.Block memory) {
    int[] lines =
        transfers.ints(
            memory, plan.layout().lines(), plan.table().chosenLines(), "the lines of an index");
    List<LineSelection> chosen = new ArrayList<>();
    for (int head = 0; head < plan.heads(); head++) {
      IndexTable table = plan.table();
      boolean has = plan.pattern(head) instanceof HeadPattern.Lines;
      chosen.add(
          has
              ? new LineSelection(
                  slice(lines, table.columnsAt(head), table.columnCount(head)),
                  slice(lines, table.distancesAt(head), table.distanceCount(head)))
              : null);
    }
    return chosen;
  }

  private static int[] slice(int[] values, int from, int count) {
    return Arrays.copyOfRange(values, from, from + count);
  }

  /** Enqueues the lists of one group of heads. */
  CudaIndex.Counts build(IndexPlan plan, IndexPlan.Group group, DeviceMemory.Block memory) {
    findings.reserve(3);
    if (group.blockHeads() > 0) {
      blocks.choose(plan, group, memory.address(), expectNoNan().address());
    }
    CudaIndex.Counts counts = new CudaIndex.Counts(findings.word(), findings.word());
    tiles.lists(plan, group, memory, counts.computed().address(), counts.sparse().address());
    return counts;
  }

  /** Copies the table of a plan, and enqueues the choice of lines from scores that are there. */
  void choose(IndexPlan plan, DeviceMemory.Block memory) {
    transfers.upload(plan.table().ints(), memory, 0);
    lines.select(plan, memory, expectNoNan().address());
  }

  /** Ints of an index that is built; waits for the device. */
  int[] ints(DeviceMemory.Block memory, long offset, int count) {
    return transfers.ints(memory, offset, count, "the attention index");
  }

  private Findings.Word expectNoNan() {
    int call = calls;
    return findings.expectNothing(
        first ->
            "The score of %s %d is NaN for head %d, in call %d since the last completion: the head's keys or queries are not finite"
                .formatted(
                    SCORES.get((int) (first >>> 48)),
                    (int) first,
                    first >>> Integer.SIZE & 0xffff,
                    call));
  }
}
