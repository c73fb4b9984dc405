package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.AttentionShape;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import jcuda.driver.CUdevice_attribute;

/**
 * Starts the attention kernels of {@code attention.cu} or {@code attention_sm90.cu}: one launch for
 * all heads of a layer.
 */
final class CudaAttention {
  /** Head dimensions that there are kernels for. */
  static final List<Integer> HEAD_DIMS = List.of(32, 64, 80, 96, 128);

  private static final double LOG2_E = 1.4426950408889634;

  private final CudaContext context;
  private final AttentionChoice choice = AttentionChoice.ofProperty();
  private final Map<Integer, Kernel> kernels = new HashMap<>();
  private final CudaStream stream;
  private final Findings findings;
  private int calls;

  CudaAttention(CudaContext context, CudaStream stream, Findings findings) {
    this.context = context;
    this.stream = stream;
    this.findings = findings;
  }

  /** Mirrors AttentionParams. */
  record Parameters(
      long q,
      long k,
      long v,
      long out,
      long rows,
      long runs,
      long columns,
      long headList,
      long error,
      long ldQ,
      long ldK,
      long ldV,
      long ldOut,
      int tokens,
      int heads,
      int kvHeads,
      int headCount,
      int firstTile,
      int queryTiles,
      int window,
      float scaleLog2)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(q).int64(k).int64(v).int64(out);
      struct.int64(rows).int64(runs).int64(columns).int64(headList).int64(error);
      struct.int64(ldQ).int64(ldK).int64(ldV).int64(ldOut);
      struct.int32(tokens).int32(heads).int32(kvHeads).int32(headCount).int32(firstTile);
      struct.int32(queryTiles).int32(window).float32(scaleLog2);
    }
  }

  /** The name of a kernel for a head dimension. */
  static String kernelName(String family, AttentionShape shape) {
    if (!HEAD_DIMS.contains(shape.headDim())) {
      throw new IllegalArgumentException(
          "Cannot compute attention with head_dim %d on CUDA: there are kernels for %s; use --backend cpu"
              .formatted(shape.headDim(), HEAD_DIMS));
    }
    return family + "_d" + shape.headDim();
  }

  /** The chosen kernel, whose first number is the query tiles of a block. */
  private Kernel kernel(AttentionShape shape) {
    String name = kernelName("attention", shape);
    return kernels.computeIfAbsent(
        shape.headDim(), headDim -> context.module(file(headDim)).kernel(name));
  }

  /** The file of the chosen kernel for a head dimension. */
  String file(int headDim) {
    int major = CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
    int minor = CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR;
    return choice.file(10 * context.attribute(major) + context.attribute(minor), headDim);
  }

  /** The factor on q·k for a softmax with base 2. */
  static float scaleLog2(AttentionShape shape) {
    return (float) (shape.scale() * LOG2_E);
  }

  /** Says that errors are counted from the next call on. */
  void restartCount() {
    calls = 0;
  }

  /** Enqueues it; a weight sum that is not positive is among the findings. */
  void run(DeviceLists index, CudaTensor q, CudaTensor k, CudaTensor v, CudaTensor out) {
    AttentionShape shape = index.shape();
    Kernel kernel = kernel(shape);
    int call = calls++;
    for (int group = 0; group < index.groups(); group++) {
      DeviceLists.Lists lists = index.lists(group);
      kernel.launch(
          stream,
          (index.queryTiles() + kernel.first() - 1) / kernel.first(),
          lists.heads(),
          new Parameters(
              q.address(),
              k.address(),
              v.address(),
              out.address(),
              lists.rows(),
              lists.runs(),
              lists.columns(),
              lists.headList(),
              expectWeights(call).address(),
              q.stride(),
              k.stride(),
              v.stride(),
              out.stride(),
              shape.tokens(),
              shape.heads(),
              shape.kvHeads(),
              lists.heads(),
              index.firstTile(),
              index.queryTiles(),
              shape.window(),
              scaleLog2(shape)));
    }
    index.attended();
  }

  private Findings.Word expectWeights(int call) {
    return findings.expectNothing(
        bad ->
            "Attention of head %d at query %d, in call %d since the last completion, has a weight sum that is not positive: its keys or queries are not finite, or its index shows it no key"
                .formatted(bad >>> Integer.SIZE, (int) bad, call));
  }
}
