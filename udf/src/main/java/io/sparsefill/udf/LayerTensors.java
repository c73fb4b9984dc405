package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.Refill;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.udf.model.LayerWeights;
import io.sparsefill.udf.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** The weights of one layer on the device; see {@link LayerWeights}. */
final class LayerTensors {
  final Tensor inputNorm;
  final Tensor qkv;
  final Tensor qkvBias;
  final Tensor kvBias;
  final Backend.QkNorm qkNorm;
  final Tensor output;
  final Tensor postNorm;
  final Tensor gateUp;
  final Tensor down;
  private final List<Filled> all = new ArrayList<>();

  /** A tensor, and which of a layer's weights it holds. */
  private record Filled(Function<LayerWeights, HostMatrix> which, Tensor tensor) {}

  /** Makes a tensor for some of a layer's weights. */
  private interface Maker {
    Tensor make(Function<LayerWeights, HostMatrix> which, long rows, long cols);
  }

  private LayerTensors(ModelConfig config, Maker maker) {
    int hidden = config.hiddenSize();
    int heads = config.heads() * config.headDim();
    int keyValues = 2 * config.kvHeads() * config.headDim();
    inputNorm = add(maker, LayerWeights::inputNorm, 1, hidden);
    qkv = add(maker, LayerWeights::qkv, config.qkvRows(), hidden);
    boolean bias = config.qkvBias();
    qkvBias = bias ? add(maker, LayerWeights::qkvBias, 1, config.qkvRows()) : null;
    kvBias = bias ? add(maker, w -> new LastColumns(w.qkvBias(), keyValues), 1, keyValues) : null;
    if (config.qkNorm()) {
      Tensor q = add(maker, LayerWeights::qNorm, 1, config.headDim());
      Tensor k = add(maker, LayerWeights::kNorm, 1, config.headDim());
      qkNorm = new Backend.QkNorm(q, k, (float) config.normEps());
    } else {
      qkNorm = null;
    }
    output = add(maker, LayerWeights::output, hidden, heads);
    postNorm = add(maker, LayerWeights::postNorm, 1, hidden);
    gateUp = add(maker, LayerWeights::gateUp, 2L * config.ffn(), hidden);
    down = add(maker, LayerWeights::down, hidden, config.ffn());
  }

  private Tensor add(Maker maker, Function<LayerWeights, HostMatrix> which, long rows, long cols) {
    Tensor tensor = maker.make(which, rows, cols);
    all.add(new Filled(which, tensor));
    return tensor;
  }

  /**
   * A layer's weights, uploaded.
   *
   * @param owned gets the tensors as they are made, for the caller to close
   */
  static LayerTensors uploaded(
      Backend backend, LayerWeights weights, ModelConfig config, int layer, List<Tensor> owned) {
    return new LayerTensors(
        config,
        (which, rows, cols) -> {
          Tensor tensor = backend.upload(which.apply(weights), "layer " + layer);
          owned.add(tensor);
          return tensor;
        });
  }

  /** Room for the weights of any layer. */
  static LayerTensors allocated(Buffers buffers, ModelConfig config) {
    return new LayerTensors(
        config, (which, rows, cols) -> buffers.tensor(rows, cols, "weights of a streamed layer"));
  }

  /** Overwrites all of them. */
  void fill(Refill refill, LayerWeights weights) {
    for (Filled filled : all) {
      refill.fill(filled.which().apply(weights), filled.tensor());
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
