package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.attention.ProbeRows;
import jcuda.driver.JCudaDriver;

/**
 * Estimates and chooses the lines of all heads of a layer whose lines are not given (MInference,
 * arXiv 2407.02490, algorithm 2), in a number of launches that does not depend on the heads.
 */
final class LineKernels {
  private static final int PASSES = 3;

  private final CudaContext context;
  private final CudaStream stream;

  LineKernels(CudaContext context, CudaStream stream) {
    this.context = context;
    this.stream = stream;
  }

  /** Mirrors LineParams. */
  record EstimateParameters(
      long q,
      long k,
      long vertical,
      long slash,
      long partials,
      long joined,
      long entries,
      long lineHeads,
      long items,
      long ldQ,
      long ldK,
      long ldScores,
      int tokens,
      int group,
      int blocks,
      int blockTiles,
      int window,
      float scaleLog2)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(q).int64(k).int64(vertical).int64(slash).int64(partials).int64(joined);
      struct.int64(entries).int64(lineHeads).int64(items);
      struct.int64(ldQ).int64(ldK).int64(ldScores);
      struct.int32(tokens).int32(group).int32(blocks).int32(blockTiles).int32(window);
      struct.float32(scaleLog2);
    }
  }

  /** Mirrors SelectParams. */
  record SelectParameters(
      long vertical,
      long slash,
      long entries,
      long lineHeads,
      long lines,
      long histograms,
      long counts,
      long thresholds,
      long error,
      long ldScores,
      int tokens,
      int pass)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(vertical).int64(slash).int64(entries).int64(lineHeads).int64(lines);
      struct.int64(histograms).int64(counts).int64(thresholds).int64(error).int64(ldScores);
      struct.int32(tokens).int32(pass);
    }
  }

  /**
   * Enqueues it.
   *
   * @param memory what the plan lays out
   * @param error gets the first score that is NaN
   */
  void run(IndexPlan plan, DeviceMemory.Block memory, CudaTensor q, CudaTensor k, long error) {
    if (plan.probedHeads() == 0) {
      estimate(plan, memory.address(), q, k, ProbeRows.last(plan.shape().tokens()), () -> {});
      select(plan, memory, error);
      return;
    }
    ProbeKernels probes = new ProbeKernels(context, stream, plan, memory, q, k);
    probes.begin();
    for (ProbeRows rows : ProbeRows.along(plan.shape(), plan.choice().probes())) {
      estimate(plan, memory.address(), q, k, rows, () -> probes.mask(rows));
      probes.add(rows);
    }
    ProbeRows last = ProbeRows.last(plan.shape().tokens());
    estimate(plan, memory.address(), q, k, last, () -> probes.mask(last));
    probes.means(last);
    select(plan, memory, error);
    if (plan.choice().bands()) {
      probes.chooseBands();
    }
  }

  /**
   * Sums over rows, as if the document ended with them.
   *
   * @param joined what follows when the rows' weights are known
   */
  private void estimate(
      IndexPlan plan, long memory, CudaTensor q, CudaTensor k, ProbeRows rows, Runnable joined) {
    AttentionShape shape = plan.shape();
    IndexLayout layout = plan.layout();
    CudaModule module = context.module("estimate");
    Kernel max = module.kernel(CudaAttention.kernelName("line_max", shape));
    Kernel sum = module.kernel(CudaAttention.kernelName("line_sum", shape));
    EstimateParameters parameters =
        new EstimateParameters(
            q.address(),
            k.address(),
            memory + layout.vertical(),
            memory + layout.slash(),
            memory + layout.partials(),
            memory + layout.joined(),
            memory,
            memory + plan.table().lineList(),
            memory + plan.table().itemList(),
            q.stride(),
            k.stride(),
            shape.tokens(),
            rows.first() + rows.count(),
            shape.group(),
            plan.lineBlocks(),
            plan.lineTiles(),
            shape.window(),
            CudaAttention.scaleLog2(shape));
    launch(max, plan, parameters);
    module.kernel("line_join").launch(stream, plan.estimatedHeads(), 1, parameters);
    joined.run();
    launch(sum, plan, parameters);
  }

  /** A block as large as the item with the most lines needs. */
  private void launch(Kernel kernel, IndexPlan plan, EstimateParameters parameters) {
    int largest = kernel.first();
    int lines = plan.table().linesOfItem();
    kernel.launch(
        stream,
        plan.lineBlocks(),
        plan.table().itemCount(),
        kernel.threads() / largest * lines,
        kernel.sharedBytes() - (largest - lines) * kernel.second(),
        parameters);
  }

  /** Enqueues the choice among the scores that are in the memory. */
  void select(IndexPlan plan, DeviceMemory.Block memory, long error) {
    IndexLayout layout = plan.layout();
    CudaModule module = context.module("select");
    check(
        JCudaDriver.cuMemsetD8Async(
            memory.at(layout.histograms()), (byte) 0, plan.histogramBytes(), stream.handle()),
        "clear the histograms of line scores");
    for (int pass = 0; pass < PASSES; pass++) {
      launch(module.kernel("line_histogram"), plan, memory.address(), error, pass);
    }
    launch(module.kernel("line_count"), plan, memory.address(), error, PASSES);
    launch(module.kernel("line_write"), plan, memory.address(), error, PASSES);
  }

  private void launch(Kernel kernel, IndexPlan plan, long memory, long error, int pass) {
    IndexLayout layout = plan.layout();
    int tokens = plan.shape().tokens();
    kernel.launch(
        stream,
        plan.selectBlocks(),
        2L * plan.estimatedHeads(),
        new SelectParameters(
            memory + layout.vertical(),
            memory + layout.slash(),
            memory,
            memory + plan.table().lineList(),
            memory + layout.lines(),
            memory + layout.histograms(),
            memory + layout.counts(),
            memory + layout.thresholds(),
            error,
            tokens,
            tokens,
            pass));
  }
}
