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
import java.nio.IntBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.JCudaDriver;

/**
 * The operators on one NVIDIA GPU, by the driver API and kernels carried as PTX: tensors are bf16,
 * sums fp32, RoPE tables and logits fp32. Operators are enqueued on one stream; what the host reads
 * it waits for, and what operators find wrong comes up in {@link #complete}.
 */
public final class CudaBackend implements Backend {
  private final CudaContext context;
  private final Workers workers;
  private final Deque<AutoCloseable> owned = new ArrayDeque<>();
  private final DeviceMemory memory;
  private final CudaStream stream;
  private final Transfers transfers;
  private final MatrixUploads uploads;
  private final RowKernels rows;
  private final CudaGemm gemm;
  private final Findings findings;
  private final StreamClock clock;
  private final IndexBuilder indexing;
  private final CudaAttention attention;
  private final Departure departure;
  private DeviceMemory.Block nllScratch;
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
    owned.push(context::release);
    boolean complete = false;
    try {
      context.enter();
      this.memory = own(new DeviceMemory(context, poisoned));
      this.workers = own(new Workers(threads));
      this.stream = own(new CudaStream());
      this.transfers = own(new Transfers(stream));
      this.uploads = own(new MatrixUploads(workers));
      this.rows = new RowKernels(context, stream);
      this.gemm = own(products.open(() -> TiledGemm.open(context, memory, stream)));
      this.findings = own(new Findings(memory, stream));
      this.clock = own(new StreamClock(stream));
      this.indexing = new IndexBuilder(context, memory, stream, transfers, findings, clock);
      this.attention = new CudaAttention(context, stream, findings);
      this.departure = own(new Departure(context, memory, stream));
      complete = true;
    } finally {
      if (!complete) {
        closeAll();
      }
    }
  }

  private <T extends AutoCloseable> T own(T resource) {
    owned.push(resource);
    return resource;
  }

  @Override
  public String device() {
    return "cuda (%s, sm_%d%d, %.0f GiB, bf16, products by %s)"
        .formatted(
            context.name(),
            context.attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
            context.attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
            context.totalBytes() / (double) (1L << 30),
            gemm.name());
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
  public Tensor rope(RopeTable rope, int tokens) {
    float[] frequencies = new float[rope.inverseFrequency().length];
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = (float) rope.inverseFrequency()[i];
    }
    CudaTensor table =
        CudaTensor.allocate(
            memory,
            tokens,
            2L * frequencies.length,
            ElementType.FP32,
            "RoPE of " + tokens + " positions");
    boolean complete = false;
    try (DeviceMemory.Block device =
        memory.allocate((long) frequencies.length * Float.BYTES, "RoPE frequencies")) {
      transfers.upload(frequencies, device);
      rows.rope(device.address(), rope.attentionScaling(), table);
      complete = true;
      return table;
    } finally {
      if (!complete) {
        table.close();
      }
    }
  }

  @Override
  public void embed(Tensor table, int[] tokens, int from, Tensor out) {
    CudaTensor source = CudaTensor.of(table).as(ElementType.BF16, "the embedding");
    CudaTensor target = CudaTensor.of(out, out.rows(), table.cols(), "embedded tokens");
    int count = Math.toIntExact(target.rows());
    for (int position = from; position < from + count; position++) {
      int token = tokens[position];
      if (token < 0 || token >= source.rows()) {
        throw new IllegalArgumentException(
            "Cannot embed token %d at position %d: the embedding table has %d rows; is the tokenizer that of the model?"
                .formatted(token, position, source.rows()));
      }
    }
    context.enter();
    try (DeviceMemory.Block ids = ints(tokens, from, count, "token ids")) {
      rows.embed(source, ids.address(), target.willBeWritten());
    }
  }

  private DeviceMemory.Block ints(int[] values, int from, int count, String what) {
    DeviceMemory.Block block = memory.allocate((long) count * Integer.BYTES, what);
    boolean complete = false;
    try {
      transfers.upload(IntBuffer.wrap(values, from, count), block, 0);
      complete = true;
      return block;
    } finally {
      if (!complete) {
        block.close();
      }
    }
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
    int d = shape.headDim();
    long count = qkv.rows();
    long queryCols = q == null ? 0 : (long) shape.heads() * d;
    long keyCols = (long) shape.kvHeads() * d;
    CudaTensor source = CudaTensor.of(qkv, count, queryCols + 2 * keyCols, "projected q, k, v");
    CudaTensor queries = q == null ? null : CudaTensor.of(q, count, queryCols, "queries");
    CudaTensor keys = CudaTensor.of(k, count, keyCols, "keys");
    CudaTensor values = CudaTensor.of(v, count, keyCols, "values");
    CudaTensor table = CudaTensor.of(rope).as(ElementType.FP32, "the RoPE table");
    table.rows(position, count); // throws where the table ends before
    CudaTensor qNorm = norms == null ? null : CudaTensor.of(norms.q(), 1, d, "query norm");
    CudaTensor kNorm = norms == null ? null : CudaTensor.of(norms.k(), 1, d, "key norm");
    context.enter();
    if (queries != null) {
      queries.willBeWritten();
    }
    rows.splitAndRotate(
        source,
        shape,
        position,
        table,
        interleaved,
        qNorm,
        kNorm,
        norms == null ? 0 : norms.eps(),
        queries,
        keys.willBeWritten(),
        values.willBeWritten());
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
    CudaTensor source = CudaTensor.of(logits);
    int count = Math.toIntExact(source.rows());
    for (int i = from; i < from + count; i++) {
      if (targets[i] < 0 || targets[i] >= source.cols()) {
        throw new IllegalArgumentException(
            "Cannot compute: target %d at position %d is outside of %d logits"
                .formatted(targets[i], i, source.cols()));
      }
    }
    context.enter();
    DeviceMemory.Block scratch = nllScratch((long) count * (Integer.BYTES + Float.BYTES));
    long ids = (long) count * Float.BYTES;
    transfers.upload(IntBuffer.wrap(targets, from, count), scratch, ids);
    rows.nll(source, scratch.address() + ids, scratch.address());
    transfers.download(scratch, 0, result, offset, count);
  }

  /** Room for targets and log-likelihoods, kept for the next block of logits. */
  private DeviceMemory.Block nllScratch(long bytes) {
    if (nllScratch == null || nllScratch.size() < bytes) {
      if (nllScratch != null) {
        nllScratch.close();
      }
      nllScratch = memory.allocateOwn(bytes, "log-likelihoods");
    }
    return nllScratch;
  }

  @Override
  public float[] read(Tensor tensor) {
    CudaTensor source = CudaTensor.of(tensor);
    context.enter();
    return transfers.download(source);
  }

  @Override
  public int packedRows(long cols, KvDtype dtype) {
    return Departure.rows(cols, dtype);
  }

  @Override
  public PackedRows pack(Tensor tensor, KvDtype dtype) {
    return departure.pack(CudaTensor.of(tensor), dtype);
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
    if (nllScratch != null) {
      nllScratch.close();
    }
    closeAll();
  }

  /** Last made, first closed; every one is closed even if one fails. */
  private void closeAll() {
    Throwable failure = null;
    while (!owned.isEmpty()) {
      try {
        owned.pop().close();
      } catch (Exception e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw new CudaFailure("Cannot give back everything on the device: " + failure, failure);
    }
  }
}
