package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import jcuda.driver.JCudaDriver;

/** Builds the lists that the attention walks ({@code tiles.cu}), for one group of heads. */
final class TileKernels {
  private final CudaContext context;
  private final CudaStream stream;

  TileKernels(CudaContext context, CudaStream stream) {
    this.context = context;
    this.stream = stream;
  }

  /** Mirrors TilesParams. */
  record Parameters(
      long entries,
      long lineHeads,
      long lines,
      long spans,
      long spanCounts,
      long rows,
      long rowsBefore,
      long runs,
      long columns,
      long totals,
      long computed,
      long sparse,
      long denseTiles,
      long denseWanted,
      int groupFirst,
      int headCount,
      int tokens,
      int fromTile,
      int firstTile,
      int tiles,
      int window,
      boolean dispatch)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(entries).int64(lineHeads).int64(lines).int64(spans).int64(spanCounts);
      struct.int64(rows).int64(rowsBefore).int64(runs).int64(columns);
      struct.int64(totals).int64(computed).int64(sparse).int64(denseTiles).int64(denseWanted);
      struct.int32(groupFirst).int32(headCount).int32(tokens).int32(fromTile).int32(firstTile);
      struct.int32(tiles).int32(window).flag(dispatch);
    }
  }

  /** Enqueues what the lists of all heads with lines have in common, whatever their group. */
  void spans(IndexPlan plan, DeviceMemory.Block memory) {
    context
        .module("tiles")
        .kernel("spans")
        .launch(
            stream,
            plan.lineHeads().size(),
            1,
            parameters(plan, plan.groups().get(0), memory.address(), 0, 0));
  }

  /**
   * Enqueues the lists; the runs of block-sparse heads come from {@link BlockKernels}.
   *
   * @param computed adds up the tiles that the attention computes
   * @param sparse adds up the heads that are not dense
   */
  void lists(
      IndexPlan plan,
      IndexPlan.Group group,
      DeviceMemory.Block memory,
      long computed,
      long sparse) {
    check(
        JCudaDriver.cuMemsetD8Async(
            memory.at(plan.layout().totals()),
            (byte) 0,
            2L * group.heads() * Long.BYTES,
            stream.handle()),
        "clear the tile counts of the heads");
    Parameters parameters = parameters(plan, group, memory.address(), computed, sparse);
    launch("lists", plan.tiles() - plan.fromTile(), group, parameters);
    launch("settle", plan.queryTiles(), group, parameters);
  }

  private void launch(String name, int rows, IndexPlan.Group group, Parameters parameters) {
    Kernel kernel = context.module("tiles").kernel(name);
    kernel.launch(stream, (rows + kernel.first() - 1L) / kernel.first(), group.heads(), parameters);
  }

  private static Parameters parameters(
      IndexPlan plan, IndexPlan.Group group, long begin, long computed, long sparse) {
    IndexLayout layout = plan.layout();
    return new Parameters(
        begin,
        begin + plan.table().lineList(),
        begin + layout.lines(),
        begin + layout.spans(),
        begin + layout.spanCounts(),
        begin + layout.rows(),
        begin + layout.rowsBefore(),
        begin + layout.runs(),
        begin + layout.columns(),
        begin + layout.totals(),
        computed,
        sparse,
        plan.denseTiles(),
        plan.denseWanted(),
        group.first(),
        group.heads(),
        plan.shape().tokens(),
        plan.fromTile(),
        plan.firstTile(),
        plan.tiles(),
        plan.shape().window(),
        plan.dispatch());
  }
}
