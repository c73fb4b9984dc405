package io.sparsefill.kernels.cuda;

/** The single parameter of a kernel: a record that mirrors a struct of its {@code .cu} file. */
interface KernelParameters {
  /** Writes the fields in the order of the struct. */
  void write(StructWriter struct);
}
