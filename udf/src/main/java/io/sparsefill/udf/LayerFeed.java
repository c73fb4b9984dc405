package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.Refill;
import io.sparsefill.udf.model.Checkpoint;
import io.sparsefill.udf.model.ModelConfig;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

/** The weights of a model's layers, for one pass that takes them in order. */
sealed interface LayerFeed extends AutoCloseable {
  /**
   * The weights of the next layer, counted from 0, for the operators that are called until {@link
   * #done}.
   *
   * @throws Exception what went wrong when they were read
   */
  LayerTensors layer(int layer) throws Exception;

  /** Says that all operators of the layer were called. */
  void done();

  /** Waits for what is still being read. */
  @Override
  void close();

  /** All layers are on the device. */
  record Resident(List<LayerTensors> layers) implements LayerFeed {
    @Override
    public LayerTensors layer(int layer) {
      return layers.get(layer);
    }

    @Override
    public void done() {}

    @Override
    public void close() {}
  }

  /**
   * Two layers are on the device: while one computes, a thread reads the next one over the one
   * before.
   */
  final class Streamed implements LayerFeed {
    private static final int LAYERS = 2;

    private final Checkpoint checkpoint;
    private final LayerTensors[] tensors;
    private final Refill[] refills = new Refill[LAYERS];
    private final Future<?>[] fills = new Future<?>[LAYERS];
    private final SideThread thread = new SideThread("sparsefill-weights", 1, false);
    private int begun;
    private int current;

    /**
     * Begins to read the first layer.
     *
     * @param tensors what {@link #tensors} made; whoever made them closes them
     */
    Streamed(Backend backend, Checkpoint checkpoint, LayerTensors[] tensors) {
      this.checkpoint = checkpoint;
      this.tensors = tensors;
      boolean complete = false;
      try {
        for (int i = 0; i < LAYERS; i++) {
          refills[i] = backend.refill();
        }
        beginNext();
        complete = true;
      } finally {
        if (!complete) {
          close();
        }
      }
    }

    /** The room for layers that a pre-fill needs. */
    static LayerTensors[] tensors(Buffers buffers, ModelConfig config) {
      LayerTensors[] tensors = new LayerTensors[LAYERS];
      for (int i = 0; i < LAYERS; i++) {
        tensors[i] = LayerTensors.allocated(buffers, config);
      }
      return tensors;
    }

    private void beginNext() {
      if (begun == checkpoint.config().layers()) {
        return;
      }
      int layer = begun++;
      int slot = layer % LAYERS;
      fills[slot] =
          thread.submit(
              () -> {
                tensors[slot].fill(refills[slot], checkpoint.layer(layer));
                return null;
              });
    }

    @Override
    public LayerTensors layer(int layer) throws Exception {
      if (layer >= begun) {
        throw new IllegalStateException(
            "Layer %d was asked for, but the next one is %d".formatted(layer, begun - 1));
      }
      current = layer % LAYERS;
      // The layer before this one is done, so its place is free.
      beginNext();
      try {
        fills[current].get();
      } catch (ExecutionException e) {
        throw SideThread.thrown(e.getCause());
      }
      refills[current].use();
      return tensors[current];
    }

    @Override
    public void done() {
      refills[current].done();
    }

    @Override
    public void close() {
      thread.close();
      for (Refill refill : refills) {
        if (refill != null) {
          refill.close();
        }
      }
    }
  }
}
