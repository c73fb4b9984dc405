package io.sparsefill.kernels.cuda;

/**
 * The parameters of the kernels in {@code rows.cu}: each record mirrors the struct of the same
 * name. Tensors are device addresses, strides are in elements.
 */
final class RowParameters {
  private RowParameters() {}

  record Rope(long frequencies, long out, long ldOut, double scaling, int tokens, int pairs)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(frequencies).int64(out).int64(ldOut).float64(scaling);
      struct.int32(tokens).int32(pairs);
    }
  }

  record Embed(long table, long tokens, long out, long ldTable, long ldOut, int rows, int cols)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(table).int64(tokens).int64(out).int64(ldTable).int64(ldOut);
      struct.int32(rows).int32(cols);
    }
  }

  record RmsNorm(long x, long weight, long out, long ldX, long ldOut, int rows, int cols, float eps)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(x).int64(weight).int64(out).int64(ldX).int64(ldOut);
      struct.int32(rows).int32(cols).float32(eps);
    }
  }

  record Bias(long bias, long out, long ldOut, int rows, int cols, boolean outFloat)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(bias).int64(out).int64(ldOut).int32(rows).int32(cols).flag(outFloat);
    }
  }

  record Split(
      long qkv,
      long rope,
      long qNorm,
      long kNorm,
      long q,
      long k,
      long v,
      long ldQkv,
      long ldRope,
      long ldQ,
      long ldK,
      long ldV,
      int rows,
      int heads,
      int kvHeads,
      int headDim,
      int pairs,
      int position,
      boolean interleaved,
      float eps,
      int lanes)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(qkv).int64(rope).int64(qNorm).int64(kNorm).int64(q).int64(k).int64(v);
      struct.int64(ldQkv).int64(ldRope).int64(ldQ).int64(ldK).int64(ldV);
      struct.int32(rows).int32(heads).int32(kvHeads).int32(headDim).int32(pairs);
      struct.int32(position).flag(interleaved).float32(eps).int32(lanes);
    }
  }

  record SiluMul(long gateUp, long out, long ldGateUp, long ldOut, int rows, int cols)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(gateUp).int64(out).int64(ldGateUp).int64(ldOut).int32(rows).int32(cols);
    }
  }

  record Nll(
      long logits,
      long targets,
      long result,
      long ldLogits,
      int rows,
      int cols,
      boolean logitsFloat)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(logits).int64(targets).int64(result).int64(ldLogits);
      struct.int32(rows).int32(cols).flag(logitsFloat);
    }
  }
}
