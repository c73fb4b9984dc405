package io.sparsefill.kernels;

import java.util.List;

/**
 * The operators of a pre-fill on one device. The layer loop of the engine is written in them; each
 * backend computes in its own precision and memory. Operators of one backend run in the order of
 * their calls; those that return numbers to the host wait for them, the others need not: what they
 * find wrong then comes up in {@link #complete}. Tensors whose shapes do not fit an operator are an
 * {@link IllegalArgumentException}.
 *
 * <p>A backend serves one pre-fill at a time, but {@link #pack} may be called by a second thread,
 * which is how keys and values leave while the next layer computes, and {@link Refill#fill} by a
 * third, which is how weights come. Tensors that hold weights may be read by several backends of
 * the same kind.
 */
public interface Backend extends AutoCloseable {
  /** Kind, library and size of the device, for logs and the documents table. */
  String device();

  /** What tensors take here. */
  DeviceSizes sizes();

  /**
   * Bytes that {@link #reserve} could set aside now; {@link Long#MAX_VALUE} where memory is not set
   * aside, as on the CPU.
   */
  long reservable();

  /**
   * Sets memory aside in one piece, from which tensors are then allocated until the next call; it
   * grows where an earlier one is too small.
   *
   * @throws OutOfDeviceMemory naming every item and what is free
   */
  void reserve(MemoryPlan plan);

  /**
   * Gives back what {@link #reserve} has set aside, for others on the device; no tensor may lie in
   * it. The next reservation sets memory aside anew.
   */
  void unreserve();

  /**
   * Memory for {@code rows x cols} numbers, with undefined content.
   *
   * @param what what it is for, in error messages
   * @throws OutOfDeviceMemory naming what, how much, and what would help
   * @throws OutOfMemoryError the same, where the device is the CPU
   */
  Tensor allocate(long rows, long cols, String what);

  /**
   * Like {@link #allocate}, but fp32 on every device: for logits, whose differences 16-bit elements
   * would lose.
   */
  Tensor allocateFloats(long rows, long cols, String what);

  /** A copy of a host matrix on the device. */
  Tensor upload(HostMatrix matrix, String what);

  /** A way to overwrite tensors while operators compute from others. */
  Refill refill();

  /** Cosines and sines of every position: [tokens, 2 * pairs], cosines first. */
  Tensor rope(RopeTable rope, int tokens);

  /**
   * out[i] = table[tokens[from + i]] for all rows of {@code out}.
   *
   * @throws IllegalArgumentException naming a token that the table does not have
   */
  void embed(Tensor table, int[] tokens, int from, Tensor out);

  /** out = x / sqrt(mean(x^2) + eps) * weight for each row (arXiv 1910.07467); out may be x. */
  void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out);

  /**
   * out[C, N] = a[C, K] · w[N, K]^T, added to {@code out} when {@code accumulate} is set.
   *
   * @param bias [1, N] or null
   */
  void linear(Tensor a, Tensor w, Tensor bias, Tensor out, boolean accumulate);

  /**
   * Splits rows of projected [q | k | v] into heads, normalises q and k heads (QK norm), and
   * rotates both.
   *
   * @param qkv [C, (H + 2G) * D], or [C, 2G * D] without queries
   * @param position token position of the first row
   * @param rope what {@link #rope} made
   * @param interleaved pairing of dimensions, see {@link RopeTable}
   * @param norms QK norm, or null
   * @param q [C, H * D], or null when {@code qkv} has no queries
   * @param k [C, G * D]
   * @param v [C, G * D]
   */
  void splitAndRotate(
      Tensor qkv,
      AttentionShape shape,
      int position,
      Tensor rope,
      boolean interleaved,
      QkNorm norms,
      Tensor q,
      Tensor k,
      Tensor v);

  /**
   * QK norm (Qwen3): RMS norm of every query and key head before RoPE.
   *
   * @param q weight [1, D]
   * @param k weight [1, D]
   */
  record QkNorm(Tensor q, Tensor k, float eps) {}

  /**
   * Builds the index of one layer's attention from its queries and keys. It may share memory with
   * the backend, and serves until the next call.
   *
   * @param patterns one for each head
   * @param dispatch whether a head whose sparse cost would not be lower than dense is computed
   *     densely
   * @param firstTile first query tile of 64 rows that is wanted
   * @param q [T, H * D]; rows from min(64 * firstTile, T - 64) on must be set, and all of them for
   *     {@link HeadPattern.Retrieved} and where a {@link LineChoice} has probes
   * @param k [T, G * D]
   */
  AttentionIndex index(
      List<HeadPattern> patterns,
      AttentionShape shape,
      boolean dispatch,
      int firstTile,
      Tensor q,
      Tensor k);

  /**
   * Attention over the index: out = softmax(scale * q k^T restricted to the index and causality) v,
   * for the query tiles of the index; other rows stay as they are.
   *
   * @param q [T, H * D]
   * @param k [T, G * D]
   * @param v [T, G * D]
   * @param out [T, H * D]; may be q
   * @throws ArithmeticException when a weight sum is not positive, as after a NaN in q or k; where
   *     operators run behind the host, {@link #complete} throws it
   */
  void attention(
      AttentionIndex index, AttentionShape shape, Tensor q, Tensor k, Tensor v, Tensor out);

  /** out[C, F] = silu(gateUp[:, :F]) * gateUp[:, F:], for gateUp [C, 2F]. */
  void siluMul(Tensor gateUp, Tensor out);

  /**
   * Negative log-likelihoods in nats: result[i] = logsumexp(logits[i]) - logits[i][targets[from +
   * i]] for all rows.
   *
   * @param logits [C, V]
   */
  void nll(Tensor logits, int[] targets, int from, float[] result, int offset);

  /** Reads a tensor to the host, row-major. */
  float[] read(Tensor tensor);

  /**
   * The most rows of that many columns that one call of {@link #pack} takes.
   *
   * @param headDim see {@link #pack}
   */
  int packedRows(long cols, KvDtype dtype, int headDim);

  /**
   * Begins to bring rows to the host as they are stored, as soon as they are computed; the
   * operators called meanwhile do not wait for that. Each one that is open holds page-locked
   * memory, so callers keep few open.
   *
   * @param rows at most {@link #packedRows}
   * @param headDim D: where the type has scales, how many neighbours share one; a divisor of the
   *     columns
   */
  PackedRows pack(Tensor rows, KvDtype dtype, int headDim);

  /**
   * Waits for everything that was called, and throws what operators found wrong since the last
   * call. Results count only after it; a pre-fill that fails calls it too, so that the next one
   * does not find its errors.
   *
   * @throws ArithmeticException for the first error of an operator
   */
  void complete();

  /** Gives back everything that this backend still holds, but not tensors that callers own. */
  @Override
  void close();
}
