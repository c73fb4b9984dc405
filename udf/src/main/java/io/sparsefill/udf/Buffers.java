package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.DeviceSizes;
import io.sparsefill.kernels.MemoryPlan;
import io.sparsefill.kernels.RopeTable;
import io.sparsefill.kernels.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * Makes the tensors of one pre-fill, on a device or only in a plan: the code that asks for them is
 * the same, so a plan cannot forget one.
 */
sealed interface Buffers {
  /** What tensors take. */
  DeviceSizes sizes();

  /** A tensor in the device's element type. */
  Tensor tensor(long rows, long cols, String what);

  /** A tensor of fp32. */
  Tensor floats(long rows, long cols, String what);

  /** Cosines and sines; see {@link Backend#rope}. */
  Tensor rope(RopeTable table, int tokens);

  /** Tensors on a device; closing closes them all. */
  final class OnDevice implements Buffers, AutoCloseable {
    private final Backend backend;
    private final List<Tensor> owned = new ArrayList<>();

    OnDevice(Backend backend) {
      this.backend = backend;
    }

    @Override
    public DeviceSizes sizes() {
      return backend.sizes();
    }

    @Override
    public Tensor tensor(long rows, long cols, String what) {
      return own(backend.allocate(rows, cols, what));
    }

    @Override
    public Tensor floats(long rows, long cols, String what) {
      return own(backend.allocateFloats(rows, cols, what));
    }

    @Override
    public Tensor rope(RopeTable table, int tokens) {
      return own(backend.rope(table, tokens));
    }

    private Tensor own(Tensor tensor) {
      owned.add(tensor);
      return tensor;
    }

    @Override
    public void close() {
      owned.forEach(Tensor::close);
    }
  }

  /** Tensors that are only counted. */
  final class Planned implements Buffers {
    private final DeviceSizes sizes;
    private final List<MemoryPlan.Item> items = new ArrayList<>();

    Planned(DeviceSizes sizes) {
      this.sizes = sizes;
    }

    @Override
    public DeviceSizes sizes() {
      return sizes;
    }

    @Override
    public Tensor tensor(long rows, long cols, String what) {
      return add(rows, cols, what, sizes.tensorBytes(rows, cols));
    }

    @Override
    public Tensor floats(long rows, long cols, String what) {
      return add(rows, cols, what, sizes.floatBytes(rows, cols));
    }

    @Override
    public Tensor rope(RopeTable table, int tokens) {
      int pairs = table.inverseFrequency().length;
      String what = "RoPE of " + tokens + " positions";
      Tensor rope = floats(tokens, 2L * pairs, what);
      // The frequencies lie on the device while the table is computed.
      add("frequencies of RoPE", sizes.floatBytes(1, pairs));
      return rope;
    }

    private Tensor add(long rows, long cols, String what, long bytes) {
      add(what, bytes);
      return new Sized(rows, cols);
    }

    /** Counts something that is not a tensor. */
    void add(String what, long bytes) {
      items.add(new MemoryPlan.Item(what, bytes));
    }

    /** Counts many tensors as one item. */
    void addAll(String what, Consumer<Buffers> tensors) {
      Planned part = new Planned(sizes);
      tensors.accept(part);
      add(what, part.plan().total());
    }

    /** Everything so far. */
    MemoryPlan plan() {
      return new MemoryPlan(items);
    }
  }

  /** A tensor without content. */
  record Sized(long rows, long cols) implements Tensor {
    @Override
    public Tensor rows(long from, long count) {
      return new Sized(count, cols);
    }

    @Override
    public void close() {}
  }
}
