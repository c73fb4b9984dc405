package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.Tensor;

/** Starts the kernels of {@code rows.cu}. */
final class RowKernels {
  private final CudaStream stream;
  private final Kernel rope;
  private final Kernel embed;
  private final Kernel rmsNorm;
  private final Kernel bias;
  private final Kernel splitAndRotate;
  private final Kernel siluMul;
  private final Kernel nll;

  RowKernels(CudaContext context, CudaStream stream) {
    this.stream = stream;
    CudaModule module = context.module("rows");
    this.rope = module.kernel("rope");
    this.embed = module.kernel("embed");
    this.rmsNorm = module.kernel("rms_norm");
    this.bias = module.kernel("bias");
    this.splitAndRotate = module.kernel("split_rotate");
    this.siluMul = module.kernel("silu_mul");
    this.nll = module.kernel("nll");
  }

  void rope(long frequencies, double scaling, CudaTensor out) {
    int pairs = Math.toIntExact(out.cols() / 2);
    int tokens = Math.toIntExact(out.rows());
    rope.launch(
        stream,
        tokens,
        1,
        new RowParameters.Rope(frequencies, out.address(), out.stride(), scaling, tokens, pairs));
  }

  void embed(CudaTensor table, long tokens, CudaTensor out) {
    embed.launch(
        stream,
        out.rows(),
        1,
        new RowParameters.Embed(
            table.address(),
            tokens,
            out.address(),
            table.stride(),
            out.stride(),
            Math.toIntExact(out.rows()),
            Math.toIntExact(out.cols())));
  }

  void rmsNorm(CudaTensor x, CudaTensor weight, float eps, CudaTensor out) {
    rmsNorm.launch(
        stream,
        x.rows(),
        1,
        new RowParameters.RmsNorm(
            x.address(),
            weight.address(),
            out.address(),
            x.stride(),
            out.stride(),
            Math.toIntExact(x.rows()),
            Math.toIntExact(x.cols()),
            eps));
  }

  /** Sets every row of {@code out} to a bias. */
  void bias(CudaTensor offsets, CudaTensor out) {
    bias.launch(
        stream,
        out.rows(),
        1,
        new RowParameters.Bias(
            offsets.address(),
            out.address(),
            out.stride(),
            Math.toIntExact(out.rows()),
            Math.toIntExact(out.cols()),
            out.type() == ElementType.FP32));
  }

  /** Splits heads, and checks shapes; see {@link Backend#splitAndRotate}. */
  void splitAndRotate(
      Tensor projected,
      AttentionShape shape,
      int position,
      Tensor rope,
      boolean interleaved,
      Backend.QkNorm norms,
      Tensor rotated,
      CudaTensor k,
      CudaTensor v) {
    int d = shape.headDim();
    long count = projected.rows();
    long queryCols = rotated == null ? 0 : (long) shape.heads() * d;
    long keyCols = (long) shape.kvHeads() * d;
    CudaTensor qkv = CudaTensor.of(projected, count, queryCols + 2 * keyCols, "projected q, k, v");
    CudaTensor q = rotated == null ? null : CudaTensor.of(rotated, count, queryCols, "queries");
    CudaTensor.of(k, count, keyCols, "keys").willBeWritten();
    CudaTensor.of(v, count, keyCols, "values").willBeWritten();
    CudaTensor table = CudaTensor.of(rope).as(ElementType.FP32, "the RoPE table");
    table.rows(position, count); // throws where the table ends before
    CudaTensor qNorm = norms == null ? null : CudaTensor.of(norms.q(), 1, d, "query norm");
    CudaTensor kNorm = norms == null ? null : CudaTensor.of(norms.k(), 1, d, "key norm");
    if (q != null) {
      q.willBeWritten();
    }
    int queries = q == null ? 0 : shape.heads();
    int pairs = Math.toIntExact(table.cols() / 2);
    int lanes = lanes(shape.headDim(), pairs);
    long perBlock = splitAndRotate.threads() / lanes;
    long heads = qkv.rows() * (queries + 2L * shape.kvHeads());
    splitAndRotate.launch(
        stream,
        (heads + perBlock - 1) / perBlock,
        1,
        new RowParameters.Split(
            qkv.address(),
            table.address(),
            qNorm == null ? 0 : qNorm.address(),
            kNorm == null ? 0 : kNorm.address(),
            q == null ? 0 : q.address(),
            k.address(),
            v.address(),
            qkv.stride(),
            table.stride(),
            q == null ? 0 : q.stride(),
            k.stride(),
            v.stride(),
            Math.toIntExact(qkv.rows()),
            queries,
            shape.kvHeads(),
            shape.headDim(),
            pairs,
            position,
            interleaved,
            norms == null ? 0 : norms.eps(),
            lanes));
  }

  /** Threads that share a head: a power of two, and two vectors of eight numbers for each. */
  private static int lanes(int headDim, int pairs) {
    boolean vectors = headDim % 16 == 0 && pairs % 8 == 0 && headDim <= 512;
    return vectors ? Integer.highestOneBit(2 * (headDim / 16) - 1) : 32;
  }

  void siluMul(CudaTensor gateUp, CudaTensor out) {
    siluMul.launch(
        stream,
        out.rows(),
        1,
        new RowParameters.SiluMul(
            gateUp.address(),
            out.address(),
            gateUp.stride(),
            out.stride(),
            Math.toIntExact(out.rows()),
            Math.toIntExact(out.cols())));
  }

  /** Log-likelihoods of {@code targets} (device ints) into {@code result} (device floats). */
  void nll(CudaTensor logits, long targets, long result) {
    nll.launch(
        stream,
        logits.rows(),
        1,
        new RowParameters.Nll(
            logits.address(),
            targets,
            result,
            logits.stride(),
            Math.toIntExact(logits.rows()),
            Math.toIntExact(logits.cols()),
            logits.type() == ElementType.FP32));
  }
}
