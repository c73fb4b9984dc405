package io.sparsefill.udf;

import io.sparsefill.kernels.AttentionCost;
import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.PackedRows;
import io.sparsefill.kernels.Refill;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.TileKeys;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Stands before a backend and keeps account of its memory: which tensors and indices are open, the
 * most bytes that were, and every allocation. A watcher sees each operator before it runs, and may
 * throw in its place.
 */
final class RecordingBackend {
  /** Sees the operators. */
  @FunctionalInterface
  interface Watcher {
    /**
     * Called before an operator runs, on its thread.
     *
     * @param operator the method's name in {@link Backend}
     */
    void before(String operator, Object[] arguments);
  }

  /** One allocation. */
  record Allocation(long rows, long cols, String what) {
    long bytes() {
      return rows * cols * Float.BYTES;
    }
  }

  private final Backend real;
  private final List<Allocation> allocations = new ArrayList<>();
  private final Set<Object> open = new HashSet<>();
  private long bytes;
  private long peakBytes;
  private boolean closed;
  private volatile int mostPackedRows = Integer.MAX_VALUE;
  private volatile Watcher watcher = (operator, arguments) -> {};

  RecordingBackend(Backend real) {
    this.real = real;
  }

  /** The backend to hand to the engine. */
  Backend backend() {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) -> call(method, arguments));
  }

  void watch(Watcher next) {
    watcher = next;
  }

  /** Lets rows leave in pieces of at most that many, as if the device had little room for them. */
  void limitPackedRows(int rows) {
    mostPackedRows = rows;
  }

  /** Tensors, indices, packed rows and refills that were made and not closed. */
  synchronized int open() {
    return open.size();
  }

  /** Packed rows that are open. */
  synchronized int packed() {
    return (int) open.stream().filter(HeldRows.class::isInstance).count();
  }

  /** Forgets what was allocated, and counts the peak from what is open now. */
  synchronized void startCounting() {
    allocations.clear();
    peakBytes = bytes;
  }

  /** Bytes of the tensors that are open. */
  synchronized long bytes() {
    return bytes;
  }

  /** The most bytes that were open at once since {@link #startCounting}. */
  synchronized long peakBytes() {
    return peakBytes;
  }

  /** What was allocated since {@link #startCounting}, uploads included. */
  synchronized List<Allocation> allocations() {
    return List.copyOf(allocations);
  }

  synchronized boolean isClosed() {
    return closed;
  }

  private Object call(Method method, Object[] arguments) throws Throwable {
    watcher.before(method.getName(), arguments);
    Object[] unwrapped = arguments == null ? null : arguments.clone();
    for (int i = 0; unwrapped != null && i < unwrapped.length; i++) {
      unwrapped[i] = unwrap(unwrapped[i]);
    }
    Object result;
    try {
      result = method.invoke(real, unwrapped);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
    if (method.getName().equals("close")) {
      synchronized (this) {
        closed = true;
      }
    }
    if (method.getName().equals("packedRows")) {
      return Math.min((int) result, mostPackedRows);
    }
    if (result instanceof Tensor tensor) {
      String what = arguments[arguments.length - 1].toString();
      return new Held(tensor, new Allocation(tensor.rows(), tensor.cols(), what));
    }
    if (result instanceof PackedRows rows) {
      return new HeldRows(rows);
    }
    if (result instanceof Refill refill) {
      return new HeldRefill(refill);
    }
    return result instanceof AttentionIndex index ? new HeldIndex(index) : result;
  }

  private static Object unwrap(Object argument) {
    if (argument instanceof Held held) {
      return held.tensor;
    }
    if (argument instanceof HeldIndex held) {
      return held.index;
    }
    if (argument instanceof Backend.QkNorm norm) {
      return new Backend.QkNorm((Tensor) unwrap(norm.q()), (Tensor) unwrap(norm.k()), norm.eps());
    }
    return argument;
  }

  private synchronized void opened(Object resource, Allocation allocation) {
    open.add(resource);
    if (allocation != null) {
      allocations.add(allocation);
      bytes += allocation.bytes();
      peakBytes = Math.max(peakBytes, bytes);
    }
  }

  private synchronized void closed(Object resource, Allocation allocation) {
    if (open.remove(resource) && allocation != null) {
      bytes -= allocation.bytes();
    }
  }

  /** A tensor, or a view of one when there is no allocation. */
  private final class Held implements Tensor {
    private final Tensor tensor;
    private final Allocation allocation;

    Held(Tensor tensor, Allocation allocation) {
      this.tensor = tensor;
      this.allocation = allocation;
      if (allocation != null) {
        opened(this, allocation);
      }
    }

    @Override
    public long rows() {
      return tensor.rows();
    }

    @Override
    public long cols() {
      return tensor.cols();
    }

    @Override
    public Tensor rows(long from, long count) {
      return new Held(tensor.rows(from, count), null);
    }

    @Override
    public void close() {
      tensor.close();
      closed(this, allocation);
    }
  }

  private final class HeldRows implements PackedRows {
    private final PackedRows rows;

    HeldRows(PackedRows rows) {
      this.rows = rows;
      opened(this, null);
    }

    @Override
    public void copy(int from, int count, long named, byte[] target, int at) {
      rows.copy(from, count, named, target, at);
    }

    @Override
    public void copyScales(int from, int count, byte[] target, int at) {
      rows.copyScales(from, count, target, at);
    }

    @Override
    public void close() {
      rows.close();
      closed(this, null);
    }
  }

  private final class HeldRefill implements Refill {
    private final Refill refill;

    HeldRefill(Refill refill) {
      this.refill = refill;
      opened(this, null);
    }

    @Override
    public void fill(HostMatrix matrix, Tensor target) {
      watcher.before("fill", new Object[] {matrix, target});
      refill.fill(matrix, ((Held) target).tensor);
    }

    @Override
    public void use() {
      refill.use();
    }

    @Override
    public void done() {
      refill.done();
    }

    @Override
    public void close() {
      refill.close();
      closed(this, null);
    }
  }

  private final class HeldIndex implements AttentionIndex {
    private final AttentionIndex index;

    HeldIndex(AttentionIndex index) {
      this.index = index;
      opened(this, null);
    }

    @Override
    public AttentionCost cost() {
      return index.cost();
    }

    @Override
    public long[] headTiles() {
      return index.headTiles();
    }

    @Override
    public TileKeys keys(int head, int tile) {
      return index.keys(head, tile);
    }

    @Override
    public List<HeadPattern.GivenLines> lines() {
      return index.lines();
    }

    @Override
    public void close() {
      index.close();
      closed(this, null);
    }
  }
}
