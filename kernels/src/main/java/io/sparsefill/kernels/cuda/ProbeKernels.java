package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.attention.ProbeRows;
import jcuda.driver.JCudaDriver;

/**
 * What follows the sums of the line estimate where lines are chosen by means over rows along the
 * document, or in bands ({@link io.sparsefill.kernels.LineChoice}): {@code probes.cu}.
 */
final class ProbeKernels {
  private final CudaModule module;
  private final CudaStream stream;
  private final IndexPlan plan;
  private final DeviceMemory.Block memory;
  private final CudaTensor q;
  private final CudaTensor k;

  /** Kernels over one layer's scores, which lie where the plan says. */
  ProbeKernels(
      CudaContext context,
      CudaStream stream,
      IndexPlan plan,
      DeviceMemory.Block memory,
      CudaTensor q,
      CudaTensor k) {
    this.module = context.module("probes");
    this.stream = stream;
    this.plan = plan;
    this.memory = memory;
    this.q = q;
    this.k = k;
  }

  /** Mirrors ProbeParams. */
  record Parameters(
      long q,
      long k,
      long vertical,
      long slash,
      long verticalSum,
      long slashSum,
      long joined,
      long bands,
      long taken,
      long entries,
      long lineHeads,
      long lines,
      long ldQ,
      long ldK,
      long ldScores,
      int tokens,
      int end,
      int rows,
      int probes,
      int group,
      int headDim,
      int window,
      int tiles,
      float scaleLog2)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(q).int64(k).int64(vertical).int64(slash).int64(verticalSum).int64(slashSum);
      struct.int64(joined).int64(bands).int64(taken).int64(entries).int64(lineHeads).int64(lines);
      struct.int64(ldQ).int64(ldK).int64(ldScores);
      struct.int32(tokens).int32(end).int32(rows).int32(probes).int32(group).int32(headDim);
      struct.int32(window).int32(tiles).float32(scaleLog2);
    }
  }

  /** Enqueues that no rows have been added. */
  void begin() {
    long bytes = (long) plan.probedHeads() * plan.shape().tokens() * Float.BYTES;
    IndexLayout layout = plan.layout();
    for (long sums : new long[] {layout.verticalSum(), layout.slashSum()}) {
      check(
          JCudaDriver.cuMemsetD8Async(memory.at(sums), (byte) 0, bytes, stream.handle()),
          "clear the line sums of probe rows");
    }
  }

  /** Enqueues that of the 64 rows which the estimate has joined only these weigh. */
  void mask(ProbeRows rows) {
    launch("probe_mask", 1, rows);
  }

  /** Enqueues the addition of rows along the document, whose sums are there. */
  void add(ProbeRows rows) {
    launch("probe_apart", 1, rows);
    launch("probe_add", blocks("probe_add", rows.first() + rows.count()), rows);
  }

  /** Enqueues the means over all rows; the sums of the last ones are there. */
  void means(ProbeRows last) {
    launch("probe_apart", 1, last);
    launch("probe_means", blocks("probe_means", plan.shape().tokens()), last);
  }

  /** Enqueues the choice of bands; it takes the place of single diagonals. */
  void chooseBands() {
    ProbeRows last = ProbeRows.last(plan.shape().tokens());
    launch("band_scores", blocks("band_scores", plan.tiles()), last);
    launch("band_rank", blocks("band_rank", plan.tiles()), last);
    launch("band_write", 1, last);
  }

  private long blocks(String kernel, int elements) {
    int threads = module.kernel(kernel).threads();
    return (elements + threads - 1) / threads;
  }

  private void launch(String kernel, long blocks, ProbeRows rows) {
    AttentionShape shape = plan.shape();
    IndexLayout layout = plan.layout();
    long at = memory.address();
    module
        .kernel(kernel)
        .launch(
            stream,
            blocks,
            plan.estimatedHeads(),
            new Parameters(
                q.address(),
                k.address(),
                at + layout.vertical(),
                at + layout.slash(),
                at + layout.verticalSum(),
                at + layout.slashSum(),
                at + layout.joined(),
                at + layout.bands(),
                at + layout.taken(),
                at,
                at + plan.table().lineList(),
                at + layout.lines(),
                q.stride(),
                k.stride(),
                shape.tokens(),
                shape.tokens(),
                rows.first() + rows.count(),
                rows.count(),
                plan.choice().probes(),
                shape.group(),
                shape.headDim(),
                shape.window(),
                plan.tiles(),
                CudaAttention.scaleLog2(shape)));
  }
}
