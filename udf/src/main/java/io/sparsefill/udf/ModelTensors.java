package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.udf.model.Checkpoint;
import io.sparsefill.udf.model.LayerWeights;
import io.sparsefill.udf.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;

/**
 * A checkpoint's weights on the device: all layers resident, or each layer uploaded when its turn
 * comes ({@code --weights stream}). Read-only after loading, so several pre-fills may share it.
 */
final class ModelTensors implements AutoCloseable {
  private final Backend backend;
  private final Checkpoint checkpoint;
  private final Tensor embedding;
  private final Tensor finalNorm;
  private final Tensor head;
  private final List<Tensor> ends = new ArrayList<>();
  private final List<LayerTensors> resident = new ArrayList<>();

  /**
   * Uploads.
   *
   * @param backend uploads, and closes together with the tensors
   * @param checkpoint read from, at once or layer by layer
   * @param stream whether layers are uploaded on demand
   * @param withHead whether the output head is needed
   */
  ModelTensors(Backend backend, Checkpoint checkpoint, boolean stream, boolean withHead) {
    this.backend = backend;
    this.checkpoint = checkpoint;
    ModelConfig config = checkpoint.config();
    boolean complete = false;
    try {
      embedding = upload(checkpoint.embedding(), "the embedding");
      finalNorm = upload(checkpoint.finalNorm(), "the final norm");
      if (!withHead) {
        head = null;
      } else if (config.tiedEmbedding()) {
        head = embedding;
      } else {
        head = upload(checkpoint.lmHead(), "the output head");
      }
      for (int l = 0; !stream && l < config.layers(); l++) {
        resident.add(new LayerTensors(backend, checkpoint.layer(l), config, l, false));
      }
      complete = true;
    } finally {
      if (!complete) {
        close();
      }
    }
  }

  private Tensor upload(HostMatrix matrix, String what) {
    Tensor tensor = backend.upload(matrix, what);
    ends.add(tensor);
    return tensor;
  }

  ModelConfig config() {
    return checkpoint.config();
  }

  /** Embedding [V, hidden]. */
  Tensor embedding() {
    return embedding;
  }

  /** Final norm [1, hidden]. */
  Tensor finalNorm() {
    return finalNorm;
  }

  /** Output head [V, hidden]. */
  Tensor head() {
    if (head == null) {
      throw new IllegalStateException("The output head was not loaded: no logits were asked for");
    }
    return head;
  }

  /**
   * A layer's weights, for the time until they are closed.
   *
   * @param reader backend of the pre-fill that reads them; it uploads them when they are streamed,
   *     because several pre-fills do so at the same time
   */
  LayerTensors layer(int layer, Backend reader) {
    return resident.isEmpty()
        ? new LayerTensors(reader, checkpoint.layer(layer), config(), layer, true)
        : resident.get(layer);
  }

  @Override
  public void close() {
    resident.forEach(LayerTensors::free);
    ends.forEach(Tensor::close);
    backend.close();
  }

  /**
   * Weights of one layer on the device, see {@link LayerWeights}; closing frees them when they were
   * streamed.
   */
  static final class LayerTensors implements AutoCloseable {
    final Tensor inputNorm;
    final Tensor qkv;
    final Tensor qkvBias;
    final Tensor kvBias;
    final Backend.QkNorm qkNorm;
    final Tensor output;
    final Tensor postNorm;
    final Tensor gateUp;
    final Tensor down;
    private final boolean streamed;
    private final List<Tensor> all = new ArrayList<>();

    LayerTensors(
        Backend backend, LayerWeights weights, ModelConfig config, int layer, boolean streamed) {
      this.streamed = streamed;
      String where = "layer " + layer;
      boolean complete = false;
      try {
        inputNorm = upload(backend, weights.inputNorm(), where);
        qkv = upload(backend, weights.qkv(), where);
        qkvBias = upload(backend, weights.qkvBias(), where);
        kvBias = upload(backend, keyValueBias(weights, config), where);
        Tensor qNorm = upload(backend, weights.qNorm(), where);
        Tensor kNorm = upload(backend, weights.kNorm(), where);
        qkNorm = qNorm == null ? null : new Backend.QkNorm(qNorm, kNorm, (float) config.normEps());
        output = upload(backend, weights.output(), where);
        postNorm = upload(backend, weights.postNorm(), where);
        gateUp = upload(backend, weights.gateUp(), where);
        down = upload(backend, weights.down(), where);
        complete = true;
      } finally {
        if (!complete) {
          free();
        }
      }
    }

    private static HostMatrix keyValueBias(LayerWeights weights, ModelConfig config) {
      return weights.qkvBias() == null
          ? null
          : new LastColumns(weights.qkvBias(), 2 * config.kvHeads() * config.headDim());
    }

    private Tensor upload(Backend backend, HostMatrix matrix, String where) {
      if (matrix == null) {
        return null;
      }
      Tensor tensor = backend.upload(matrix, where);
      all.add(tensor);
      return tensor;
    }

    @Override
    public void close() {
      if (streamed) {
        free();
      }
    }

    private void free() {
      all.forEach(Tensor::close);
    }
  }

  /**
   * The last columns of a matrix of one row: the bias of keys and values without that of the
   * queries.
   */
  private record LastColumns(HostMatrix row, int cols) implements HostMatrix {
    @Override
    public long rows() {
      return 1;
    }

    @Override
    public void read(long from, int count, float[] target, int offset) {
      float[] all = new float[row.cols()];
      row.read(from, count, all, 0);
      System.arraycopy(all, all.length - cols, target, offset, cols);
    }
  }
}
