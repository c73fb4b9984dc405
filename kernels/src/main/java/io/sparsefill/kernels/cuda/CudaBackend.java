package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.DeviceSizes;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.MemoryPlan;
import io.sparsefill.kernels.PackedRows;
import io.sparsefill.kernels.Refill;
import io.sparsefill.kernels.RopeTable;
import io.sparsefill.kernels.Shapes;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.Workers;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import jcuda.driver.JCudaDriver;

/**
 * The operators on one NVIDIA GPU, by the driver API and kernels carried as PTX: tensors are bf16,
 * sums fp32, RoPE tables and logits fp32. Operators are enqueued on one stream; what the host reads
 * it waits for, and what operators find wrong comes up in {@link #complete}.
 */
public final class CudaBackend implements Backend {
  private final CudaContext context;
  private final Workers workers;
  private final Owned owned = new Owned();
  private final DeviceMemory memory;
  private final CudaStream stream;
  private final Transfers transfers;
  private final MatrixUploads uploads;
  private final RowKernels rows;
  private final TokenOperators tokens;
  private final CudaGemm gemm;
  private final Findings findings;
  private final StreamClock clock;
  private final IndexBuilder indexing;
  private final CudaAttention attention;
  private final Departure departure;
  private boolean closed;

  /** Why no CUDA device can be used, for logs; empty when one can. */
  public static Optional<String> unavailable() {
    return CudaDriver.unavailable();
  }

  /** Why no CUDA device can run attention with a head dimension; empty when one can. */
  public static Optional<String> unavailable(int headDim) {
    if (CudaAttention.HEAD_DIMS.contains(headDim)) {
      return unavailable();
    }
    return Optional.of(
        "its attention has no kernel for head_dim %d, only for %s"
            .formatted(headDim, CudaAttention.HEAD_DIMS));
  }

  /** How many devices the process sees; 0 where none can be used. */
  public static int devices() {
    return CudaDriver.unavailable().isPresent() ? 0 : CudaDriver.devices();
  }

  /**
   * The device whose context is current in the calling thread, as RAPIDS leaves it in its tasks'
   * threads; empty where there is none.
   */
  public static OptionalInt currentDevice() {
    return CudaDriver.unavailable().isPresent() ? OptionalInt.empty() : CudaContext.current();
  }

  /** A backend on the first device, see {@link #CudaBackend(int, int)}. */
  public CudaBackend(int threads) {
    this(0, threads);
  }

  /**
   * A backend on a device.
   *
   * @param ordinal which of the devices that the process sees, from 0
   * @param threads CPU threads that convert weights
   * @throws CudaFailure if there is no driver or no fitting device, saying why
   */
  public CudaBackend(int ordinal, int threads) {
    this(ordinal, threads, GemmChoice.ofProperty(), false);
  }

  /** A backend that multiplies matrices by the own kernel, whatever the system property says. */
  public static CudaBackend withOwnProducts(int threads) {
    return new CudaBackend(0, threads, GemmChoice.OWN, false);
  }

  /** A backend whose memory is full of NaN when it is handed out, for tests. */
  static CudaBackend poisoned(int threads) {
    return new CudaBackend(0, threads, GemmChoice.ofProperty(), true);
  }

  private CudaBackend(int ordinal, int threads, GemmChoice products, boolean poisoned) {
    this.context = CudaContext.acquire(ordinal);
    owned.add(context::release);
    boolean complete = false;
    try {
      context.enter();
      this.memory = owned.add(new DeviceMemory(context, poisoned));
      this.workers = owned.add(new Workers(threads));
      this.stream = owned.add(new CudaStream());
      this.transfers = owned.add(new Transfers(stream));
      this.uploads = owned.add(new MatrixUploads(workers));
      this.rows = new RowKernels(context, stream);
      this.tokens = owned.add(new TokenOperators(memory, transfers, rows));
      this.gemm = owned.add(products.open(() -> TiledGemm.open(context, memory, stream)));
      this.findings = owned.add(new Findings(memory, stream));
      this.clock = owned.add(new StreamClock(stream));
      this.indexing = new IndexBuilder(context, memory, stream, transfers, findings, clock);
      this.attention = new CudaAttention(context, stream, findings);
      this.departure = owned.add(new Departure(context, memory, stream));
      complete = true;
    } finally {
      if (!complete) {
        owned.close();
      }
    }
  }

  @Override
  public String device() {
    return "cuda (%s, bf16, products by %s)".formatted(context.describe(), gemm.name());
  }

  /** What makes its indices. */
  IndexBuilder indexBuilder() {
    return indexing;
  }

  /** Where this backend's tensors and indices lie. */
  DeviceMemory memory() {
    return memory;
  }

  /** Bytes of device memory that this backend and its tensors hold. */
  public long heldBytes() {
    return memory.bytes();
  }

  /** The most bytes of device memory that this backend and its tensors held at once. */
  public long peakBytes() {
    return memory.peakBytes();
  }

  /** Bytes of the first device's memory that are in use, by this process or another. */
  public static long usedBytes() {
    return usedBytes(0);
  }

  /** Bytes of a device's memory that are in use, by this process or another. */
  public static long usedBytes(int ordinal) {
    CudaContext context = CudaContext.acquire(ordinal);
    try {
      return context.totalBytes() - context.freeBytes();
    } finally {
      context.release();
    }
  }

  /** Who multiplies matrices. */
  public String products() {
    return gemm.name();
  }

  /** Which kernels compute the attention of heads of a dimension. */
  public String attentionKernels(int headDim) {
    return attention.file(headDim);
  }

  /** Versions of what lies between this backend and the device: driver, JCuda, libraries. */
  public Map<String, String> versions() {
    return CudaVersions.read(gemm.name());
  }

  /**
   * Runs operators with an event before and after each kernel, and waits for them.
   *
   * @return milliseconds on the device by kernel, in the order of their first launch; copies, and
   *     products by cuBLAS, are not among them
   */
  public Map<String, Double> kernelMillis(Runnable operators) {
    context.enter();
    try (KernelTimes times = new KernelTimes(stream)) {
      stream.take(times);
      operators.run();
      stream.synchronize("operators whose time is taken");
      return times.millis();
    } finally {
      stream.take(null);
    }
  }

  /** The most bytes that tensors took of what {@link #reserve} set aside. */
  public long peakReservedBytes() {
    return memory.peakReservedBytes();
  }

  /** Bytes of tensors that did not fit into what {@link #reserve} set aside. */
  public long beyondReserved() {
    return memory.beyondReserved();
  }

  @Override
  public DeviceSizes sizes() {
    return sizesOfDevices();
  }

  /** The sizes on every device. */
  public static DeviceSizes sizesOfDevices() {
    return new CudaSizes();
  }

  @Override
  public long reservable() {
    return memory.reservable();
  }

  @Override
  public void reserve(MemoryPlan plan) {
    context.enter();
    // What lay in the memory before may still be used.
    stream.synchronize("the pre-fill before");
    memory.reserve(plan);
  }

  @Override
  public void unreserve() {
    context.enter();
    // What lay in the memory may still be used.
    stream.synchronize("the pre-fill before");
    memory.unreserve();
  }

  @Override
  public Tensor allocate(long rowCount, long cols, String what) {
    return CudaTensor.allocate(memory, rowCount, cols, ElementType.BF16, what);
  }

  @Override
  public Tensor allocateFloats(long rowCount, long cols, String what) {
    return CudaTensor.allocate(memory, rowCount, cols, ElementType.FP32, what);
  }

  @Override
  public Tensor upload(HostMatrix matrix, String what) {
    CudaTensor tensor = CudaTensor.allocateOwn(memory, matrix.rows(), matrix.cols(), what);
    boolean complete = false;
    try {
      uploads.send(matrix, tensor);
      uploads.stream().synchronize("an upload of " + what);
      complete = true;
      return tensor;
    } finally {
      if (!complete) {
        tensor.close();
      }
    }
  }

  @Override
  public Refill refill() {
    context.enter();
    return new CudaRefill(context, stream, uploads);
  }

  @Override
  public Tensor rope(RopeTable rope, int positions) {
    context.enter();
    return tokens.rope(rope, positions);
  }

  @Override
  public void embed(Tensor table, int[] ids, int from, Tensor out) {
    CudaTensor source = CudaTensor.of(table).as(ElementType.BF16, "the embedding");
    CudaTensor target = CudaTensor.of(out, out.rows(), table.cols(), "embedded tokens");
    context.enter();
    tokens.embed(source, ids, from, target);
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
    CudaTensor source = CudaTensor.of(x).as(ElementType.BF16, "rows to norm");
    CudaTensor target = CudaTensor.of(out, x.rows(), x.cols(), "normed rows");
    CudaTensor weights = CudaTensor.of(weight, 1, x.cols(), "norm weight");
    context.enter();
    rows.rmsNorm(source, weights, eps, target.willBeWritten());
  }

  @Override
  public void linear(Tensor a, Tensor w, Tensor bias, Tensor out, boolean accumulate) {
    CudaTensor source = CudaTensor.of(a).as(ElementType.BF16, "the left factor");
    CudaTensor weights = CudaTensor.of(w).as(ElementType.BF16, "the weights");
    CudaTensor target = CudaTensor.of(out);
    Shapes.checkProduct(source, weights, target);
    CudaTensor offsets = bias == null ? null : CudaTensor.of(bias, 1, weights.rows(), "bias");
    context.enter();
    target.willBeWritten();
    if (offsets == null || gemm.addsBias()) {
      gemm.product(stream, source, weights, offsets, target, accumulate);
    } else if (accumulate) {
      // Two additions after the product would round twice.
      TiledGemm.undivided(context).product(stream, source, weights, offsets, target, true);
    } else {
      rows.bias(offsets, target);
      gemm.product(stream, source, weights, null, target, true);
    }
  }

  @Override
  public void splitAndRotate(
      Tensor qkv,
      AttentionShape shape,
      int position,
      Tensor rope,
      boolean interleaved,
      QkNorm norms,
      Tensor q,
      Tensor k,
      Tensor v) {
    CudaTensor keys = CudaTensor.of(k);
    CudaTensor values = CudaTensor.of(v);
    context.enter();
    rows.splitAndRotate(qkv, shape, position, rope, interleaved, norms, q, keys, values);
    // Keys and values may leave from here on, while the attention runs.
    keys.writtenBy(stream);
    values.writtenBy(stream);
  }

  @Override
  public AttentionIndex index(
      List<HeadPattern> patterns,
      AttentionShape shape,
      boolean dispatch,
      int firstTile,
      Tensor q,
      Tensor k) {
    return index(patterns, shape, dispatch, firstTile, q, k, IndexPlan.LIST_BYTES);
  }

  /** Like {@link #index}, with less memory for lists, so that heads go in more groups. */
  CudaIndex index(
      List<HeadPattern> patterns,
      AttentionShape shape,
      boolean dispatch,
      int firstTile,
      Tensor q,
      Tensor k,
      long listBytes) {
    CudaTensor queries = queries(shape, q);
    CudaTensor keys = CudaTensor.of(k, shape.tokens(), keyCols(shape), "keys");
    context.enter();
    return indexing.index(
        indexing.plan(patterns, shape, dispatch, firstTile, listBytes), queries, keys);
  }

  private static CudaTensor queries(AttentionShape shape, Tensor q) {
    return CudaTensor.of(q, shape.tokens(), (long) shape.heads() * shape.headDim(), "queries");
  }

  private static long keyCols(AttentionShape shape) {
    return (long) shape.kvHeads() * shape.headDim();
  }

  @Override
  public void attention(
      AttentionIndex index, AttentionShape shape, Tensor q, Tensor k, Tensor v, Tensor out) {
    if (!(index instanceof DeviceLists mine) || !mine.shape().equals(shape)) {
      throw new IllegalArgumentException(
          "Cannot compute attention: the index was not made by this backend for " + shape);
    }
    CudaTensor queries = queries(shape, q);
    CudaTensor keys = CudaTensor.of(k, shape.tokens(), keyCols(shape), "keys");
    CudaTensor values = CudaTensor.of(v, shape.tokens(), keyCols(shape), "values");
    CudaTensor target = CudaTensor.of(out, q.rows(), q.cols(), "attention's output");
    context.enter();
    attention.run(mine, queries, keys, values, target.willBeWritten());
  }

  @Override
  public void siluMul(Tensor gateUp, Tensor out) {
    CudaTensor source = CudaTensor.of(gateUp, out.rows(), 2 * out.cols(), "gate and up");
    CudaTensor target = CudaTensor.of(out).as(ElementType.BF16, "activations");
    context.enter();
    rows.siluMul(source, target.willBeWritten());
  }

  @Override
  public void nll(Tensor logits, int[] targets, int from, float[] result, int offset) {
    context.enter();
    tokens.nll(CudaTensor.of(logits), targets, from, result, offset);
  }

  @Override
  public float[] read(Tensor tensor) {
    CudaTensor source = CudaTensor.of(tensor);
    context.enter();
    return transfers.download(source);
  }

  @Override
  public int packedRows(long cols, KvDtype dtype, int headDim) {
    return Departure.rows(cols, dtype, headDim);
  }

  @Override
  public PackedRows pack(Tensor tensor, KvDtype dtype, int headDim) {
    return departure.pack(CudaTensor.of(tensor), dtype, headDim);
  }

  @Override
  public void complete() {
    context.enter();
    indexing.restartCount();
    attention.restartCount();
    findings.read();
    clock.read();
    findings.check();
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    context.enter();
    check(JCudaDriver.cuStreamSynchronize(stream.handle()), "finish the pre-fill");
    owned.close();
  }
}
