package io.sparsefill.kernels.cuda;

/** The own tensor-core kernel of {@code gemm.cu}: what a driver alone can run. */
final class TiledGemm implements CudaGemm {
  private final Kernel toBf16;
  private final Kernel toFloat;

  TiledGemm(CudaContext context) {
    CudaModule module = context.module("gemm");
    this.toBf16 = module.kernel("gemm_bf16");
    this.toFloat = module.kernel("gemm_f32");
  }

  /** Mirrors GemmParams. */
  record Parameters(
      long a,
      long w,
      long bias,
      long out,
      long ldA,
      long ldW,
      long ldOut,
      int m,
      int n,
      int k,
      boolean accumulate)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(a).int64(w).int64(bias).int64(out).int64(ldA).int64(ldW).int64(ldOut);
      struct.int32(m).int32(n).int32(k).flag(accumulate);
    }
  }

  @Override
  public void product(
      CudaStream stream,
      CudaTensor a,
      CudaTensor w,
      CudaTensor bias,
      CudaTensor out,
      boolean accumulate) {
    Kernel kernel = out.type() == ElementType.FP32 ? toFloat : toBf16;
    long rowBlocks = (out.rows() + kernel.first() - 1) / kernel.first();
    long columnBlocks = (out.cols() + kernel.second() - 1) / kernel.second();
    kernel.launch(
        stream,
        rowBlocks * columnBlocks,
        1,
        new Parameters(
            a.address(),
            w.address(),
            bias == null ? 0 : bias.address(),
            out.address(),
            a.stride(),
            w.stride(),
            out.stride(),
            Math.toIntExact(out.rows()),
            Math.toIntExact(out.cols()),
            Math.toIntExact(a.cols()),
            accumulate));
  }

  @Override
  public boolean addsBias() {
    return true;
  }

  @Override
  public String name() {
    return "the own tensor-core kernel";
  }

  @Override
  public void close() {
    // Its kernels belong to the context.
  }
}
