package io.sparsefill.kernels.cpu;

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
import io.sparsefill.kernels.attention.TileIndex;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/**
 * The operators on CPU threads in fp32: matrix products by OpenBLAS, attention by the JDK's
 * vectors. It is what runs on laptops and in CI, and the twin that the CUDA backend is compared
 * with.
 */
public final class CpuBackend implements Backend {
  private static final TileMath MATH = TileMath.choose();

  /**
   * Rows that go through a matrix product together on one thread: enough to reuse a weight panel,
   * small in cache.
   */
  private static final int ROWS_PER_THREAD = 256;

  /** Bytes that rows take which are packed together: enough for many blocks. */
  private static final long PACKED_BYTES = 8 << 20;

  private final Workers workers;
  private PackedKv packed;

  /**
   * A backend with its own threads.
   *
   * @param threads threads of one pre-fill, the caller's included
   */
  public CpuBackend(int threads) {
    OpenBlas.load();
    this.workers = new Workers(threads);
  }

  @Override
  public String device() {
    return "cpu (%d threads, fp32, %s)"
        .formatted(
            workers.threads(), MATH instanceof VectorTileMath ? "vectors" : "scalar attention");
  }

  @Override
  public DeviceSizes sizes() {
    return sizes(workers.threads());
  }

  /** The sizes on a backend with that many threads. */
  public static DeviceSizes sizes(int threads) {
    return new CpuSizes(ROWS_PER_THREAD * threads);
  }

  @Override
  public long reservable() {
    return Long.MAX_VALUE;
  }

  /** The operating system gives memory as it is touched: there is nothing to set aside. */
  @Override
  public void reserve(MemoryPlan plan) {}

  /** Nothing was set aside. */
  @Override
  public void unreserve() {}

  @Override
  public Tensor allocate(long rows, long cols, String what) {
    return CpuTensor.allocate(rows, cols, what);
  }

  @Override
  public Tensor allocateFloats(long rows, long cols, String what) {
    return CpuTensor.allocate(rows, cols, what);
  }

  @Override
  public Tensor upload(HostMatrix matrix, String what) {
    CpuTensor tensor = CpuTensor.allocate(matrix.rows(), matrix.cols(), what);
    boolean complete = false;
    try {
      copy(matrix, tensor);
      complete = true;
      return tensor;
    } finally {
      if (!complete) {
        tensor.close();
      }
    }
  }

  private void copy(HostMatrix matrix, CpuTensor tensor) {
    int step = Math.max(1, (1 << 20) / matrix.cols());
    int blocks = Math.toIntExact((matrix.rows() + step - 1) / step);
    workers.forEach(
        blocks,
        thread -> new float[step * matrix.cols()],
        (block, rows) -> {
          long from = (long) block * step;
          int count = (int) Math.min(step, matrix.rows() - from);
          matrix.read(from, count, rows, 0);
          tensor.buffer(from, count).put(0, rows, 0, count * matrix.cols());
        });
  }

  /** Operators compute before they return, so that the callers' turns are all that is needed. */
  @Override
  public Refill refill() {
    return new Refill() {
      @Override
      public void fill(HostMatrix matrix, Tensor target) {
        copy(matrix, CpuTensor.of(target, matrix.rows(), matrix.cols(), "what is overwritten"));
      }

      @Override
      public void use() {}

      @Override
      public void done() {}

      @Override
      public void close() {}
    };
  }

  @Override
  public Tensor rope(RopeTable rope, int tokens) {
    int pairs = rope.inverseFrequency().length;
    CpuTensor tensor = CpuTensor.allocate(tokens, 2L * pairs, "RoPE of " + tokens + " positions");
    workers.ranges(
        tokens,
        (from, count) -> {
          float[] row = new float[2 * pairs];
          FloatBuffer target = tensor.buffer(from, count);
          for (int t = 0; t < count; t++) {
            for (int i = 0; i < pairs; i++) {
              // The angle in fp32, as transformers and serving engines compute it: a cache must fit
              // their queries.
              float angle = (float) (from + t) * (float) rope.inverseFrequency()[i];
              row[i] = (float) (Math.cos(angle) * rope.attentionScaling());
              row[pairs + i] = (float) (Math.sin(angle) * rope.attentionScaling());
            }
            target.put(t * row.length, row);
          }
        });
    return tensor;
  }

  @Override
  public void embed(Tensor table, int[] tokens, int from, Tensor out) {
    CpuTensor source = CpuTensor.of(table);
    CpuTensor target = CpuTensor.of(out, out.rows(), table.cols(), "embedded tokens");
    workers.ranges(
        target.rows(),
        (first, count) -> {
          float[] row = new float[(int) target.cols()];
          FloatBuffer buffer = target.buffer(first, count);
          for (int r = 0; r < count; r++) {
            int position = from + (int) first + r;
            int token = tokens[position];
            if (token < 0 || token >= source.rows()) {
              throw new IllegalArgumentException(
                  "Cannot embed token %d at position %d: the embedding table has %d rows; is the tokenizer that of the model?"
                      .formatted(token, position, source.rows()));
            }
            source.buffer(token, 1).get(0, row);
            buffer.put(r * row.length, row);
          }
        });
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
    CpuTensor source = CpuTensor.of(x);
    CpuTensor target = CpuTensor.of(out, x.rows(), x.cols(), "normed rows");
    float[] weights = read(CpuTensor.of(weight, 1, x.cols(), "norm weight"));
    workers.ranges(
        source.rows(),
        (from, count) -> {
          float[] row = new float[weights.length];
          FloatBuffer in = source.buffer(from, count);
          FloatBuffer normed = target.buffer(from, count);
          for (int r = 0; r < count; r++) {
            in.get(r * row.length, row);
            CpuRows.rmsNorm(row, 0, row.length, weights, eps);
            normed.put(r * row.length, row);
          }
        });
  }

  @Override
  public void linear(Tensor a, Tensor w, Tensor bias, Tensor out, boolean accumulate) {
    CpuTensor source = CpuTensor.of(a);
    CpuTensor weights = CpuTensor.of(w);
    CpuTensor target = CpuTensor.of(out);
    Shapes.checkProduct(source, weights, target);
    float[] offsets = bias == null ? null : read(CpuTensor.of(bias, 1, weights.rows(), "bias"));
    workers.ranges(
        source.rows(),
        (from, count) -> {
          OpenBlas.product(
              count,
              Math.toIntExact(weights.rows()),
              Math.toIntExact(source.cols()),
              source.pointer(from),
              weights.pointer(0),
              accumulate ? 1f : 0f,
              target.pointer(from));
          if (offsets != null) {
            addBias(target, from, count, offsets);
          }
        });
  }

  private static void addBias(CpuTensor target, long from, int count, float[] bias) {
    float[] row = new float[bias.length];
    FloatBuffer buffer = target.buffer(from, count);
    for (int r = 0; r < count; r++) {
      buffer.get(r * row.length, row);
      for (int c = 0; c < row.length; c++) {
        row[c] += bias[c];
      }
      buffer.put(r * row.length, row);
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
    long rows = qkv.rows();
    long queryCols = q == null ? 0 : (long) shape.heads() * d;
    long keyCols = (long) shape.kvHeads() * d;
    CpuTensor source = CpuTensor.of(qkv, rows, queryCols + 2 * keyCols, "projected q, k, v");
    CpuTensor queries = q == null ? null : CpuTensor.of(q, rows, queryCols, "queries");
    CpuTensor keys = CpuTensor.of(k, rows, keyCols, "keys");
    CpuTensor values = CpuTensor.of(v, rows, keyCols, "values");
    CpuRows.Norms weights =
        norms == null
            ? null
            : new CpuRows.Norms(
                read(CpuTensor.of(norms.q(), 1, d, "query norm")),
                read(CpuTensor.of(norms.k(), 1, d, "key norm")),
                norms.eps());
    workers.ranges(
        rows,
        (from, count) ->
            CpuRows.splitAndRotate(
                source,
                (int) from,
                count,
                shape,
                position,
                CpuTensor.of(rope),
                interleaved,
                weights,
                queries,
                keys,
                values));
  }

  @Override
  public AttentionIndex index(
      List<HeadPattern> patterns,
      AttentionShape shape,
      boolean dispatch,
      int firstTile,
      Tensor q,
      Tensor k) {
    long start = System.nanoTime();
    CpuTensor queries = queries(shape, q);
    CpuTensor keys = keys(shape, k);
    if (packed == null || !packed.fits(shape)) {
      packed = null; // the old arrays may go before the new ones come
      packed = new PackedKv(shape, MATH.widthStep());
    }
    packed.packKeys(workers, shape, keys);
    CpuEstimate estimate = new CpuEstimate(MATH, shape, packed, queries);
    CpuIndex index =
        new CpuIndexing(workers, shape, estimate, new CpuRetrieval(shape, packed, queries))
            .build(patterns, dispatch, firstTile, packed);
    index.spend(System.nanoTime() - start);
    return index;
  }

  /** An index made elsewhere, for tests that compute a given mask. */
  AttentionIndex index(TileIndex tiles, Tensor k) {
    PackedKv kv = new PackedKv(tiles.shape(), MATH.widthStep());
    kv.packKeys(workers, tiles.shape(), keys(tiles.shape(), k));
    int heads = tiles.shape().heads();
    int[] all = new int[heads];
    Arrays.fill(all, Integer.MAX_VALUE);
    return new CpuIndex(tiles, all, kv, Collections.nCopies(heads, null));
  }

  private static CpuTensor queries(AttentionShape shape, Tensor q) {
    return CpuTensor.of(q, shape.tokens(), (long) shape.heads() * shape.headDim(), "queries");
  }

  private static CpuTensor keys(AttentionShape shape, Tensor k) {
    return CpuTensor.of(k, shape.tokens(), (long) shape.kvHeads() * shape.headDim(), "keys");
  }

  @Override
  public void attention(
      AttentionIndex index, AttentionShape shape, Tensor q, Tensor k, Tensor v, Tensor out) {
    if (!(index instanceof CpuIndex mine) || !mine.tiles().shape().equals(shape)) {
      throw new IllegalArgumentException(
          "Cannot compute attention: the index was not made by this backend for " + shape);
    }
    long start = System.nanoTime();
    CpuTensor queries = queries(shape, q);
    CpuTensor values =
        CpuTensor.of(v, shape.tokens(), (long) shape.kvHeads() * shape.headDim(), "values");
    CpuTensor target = CpuTensor.of(out, q.rows(), q.cols(), "attention's output");
    mine.kv().packValues(workers, shape, values);
    new CpuAttention(MATH, workers).run(mine.tiles(), mine.kept(), mine.kv(), queries, target);
    mine.spend(System.nanoTime() - start);
  }

  @Override
  public void siluMul(Tensor gateUp, Tensor out) {
    CpuTensor source = CpuTensor.of(gateUp, out.rows(), 2 * out.cols(), "gate and up");
    CpuTensor target = CpuTensor.of(out);
    int n = (int) target.cols();
    workers.ranges(
        source.rows(),
        (from, count) -> {
          float[] row = new float[2 * n];
          FloatBuffer in = source.buffer(from, count);
          FloatBuffer product = target.buffer(from, count);
          for (int r = 0; r < count; r++) {
            in.get(r * row.length, row);
            MATH.siluMul(row, 0, row, n, n);
            product.put(r * n, row, 0, n);
          }
        });
  }

  @Override
  public void nll(Tensor logits, int[] targets, int from, float[] result, int offset) {
    CpuTensor source = CpuTensor.of(logits);
    workers.ranges(
        source.rows(),
        (first, count) -> {
          float[] row = new float[(int) source.cols()];
          FloatBuffer in = source.buffer(first, count);
          for (int r = 0; r < count; r++) {
            in.get(r * row.length, row);
            float max = row[0];
            for (float x : row) {
              max = Math.max(max, x);
            }
            double logSum = max + Math.log(MATH.sumExp(row, 0, row.length, max));
            int at = (int) first + r;
            result[offset + at] = (float) (logSum - row[targets[from + at]]);
          }
        });
  }

  @Override
  public float[] read(Tensor tensor) {
    CpuTensor source = CpuTensor.of(tensor);
    float[] values = new float[Math.toIntExact(source.rows() * source.cols())];
    source.buffer(0, Math.toIntExact(source.rows())).get(0, values);
    return values;
  }

  @Override
  public int packedRows(long cols, KvDtype dtype, int headDim) {
    return Math.toIntExact(Math.max(1, PACKED_BYTES / (cols * dtype.bytes())));
  }

  /** Rows are packed where and when they are copied: there is no way between. */
  @Override
  public PackedRows pack(Tensor tensor, KvDtype dtype, int headDim) {
    CpuTensor rows = CpuTensor.of(tensor);
    int heads = Shapes.heads(rows, headDim);
    return new PackedRows() {
      @Override
      public void copy(int from, int count, long named, byte[] target, int at) {
        CpuPacking.pack(CpuTensor.of(rows.rows(from, count)), dtype, heads, named, target, at);
      }

      @Override
      public void copyScales(int from, int count, byte[] target, int at) {
        if (!dtype.scaled()) {
          throw PackedRows.unscaled(dtype);
        }
        CpuPacking.scales(CpuTensor.of(rows.rows(from, count)), heads, target, at);
      }

      @Override
      public void close() {}
    };
  }

  /** Nothing to wait for: every operator returns when it is done, and throws what it finds. */
  @Override
  public void complete() {}

  @Override
  public void close() {
    workers.close();
    packed = null;
  }
}
