package io.sparsefill.kernels.cuda;

/** Matrix products on the device: the own kernel, or a library's. */
interface CudaGemm extends AutoCloseable {
  /**
   * Enqueues out[m, n] = a[m, k] · w[n, k]^T, with fp32 sums and one rounding to the type of {@code
   * out}.
   *
   * @param bias [1, n], added unless {@link #addsBias} is false; or null
   * @param out bf16 or fp32
   * @param accumulate whether the product is added to what {@code out} holds
   */
  void product(
      CudaStream stream,
      CudaTensor a,
      CudaTensor w,
      CudaTensor bias,
      CudaTensor out,
      boolean accumulate);

  /** Whether {@link #product} adds the bias; the caller adds it otherwise. */
  boolean addsBias();

  /** What it is, for logs. */
  String name();

  @Override
  void close();
}
