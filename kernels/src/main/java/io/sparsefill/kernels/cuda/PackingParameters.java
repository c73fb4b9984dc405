package io.sparsefill.kernels.cuda;

/**
 * The parameters of the kernels in {@code packing.cu}: each record mirrors the struct of the same
 * name. Addresses are the device's, strides are in elements.
 */
final class PackingParameters {
  private PackingParameters() {}

  record Pack(
      long source,
      long out,
      long bad,
      long ldSource,
      long count,
      int cols,
      boolean sourceFloat,
      int target)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(source).int64(out).int64(bad).int64(ldSource).int64(count);
      struct.int32(cols).flag(sourceFloat).int32(target);
    }
  }

  record PackFp8(
      long source,
      long out,
      long scales,
      long bad,
      long ldSource,
      int items,
      int heads,
      int headDim,
      boolean sourceFloat,
      int lanes)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(source).int64(out).int64(scales).int64(bad).int64(ldSource);
      struct.int32(items).int32(heads).int32(headDim).flag(sourceFloat).int32(lanes);
    }
  }
}
