package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.udf.model.Checkpoint;
import io.sparsefill.udf.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;

/**
 * A checkpoint's weights on the device: all layers resident, or read by each pre-fill as it goes
 * ({@code --weights stream}). Nothing of it changes after loading, so several pre-fills may share
 * it; the output head comes when the first engine needs it.
 */
final class ModelTensors implements AutoCloseable {
  private final Backend backend;
  private final Checkpoint checkpoint;
  private final boolean stream;
  private final Tensor embedding;
  private final Tensor finalNorm;
  private volatile Tensor head;
  private final List<Tensor> owned = new ArrayList<>();
  private final List<LayerTensors> resident = new ArrayList<>();

  /**
   * Uploads.
   *
   * @param backend uploads, and closes together with the tensors
   * @param checkpoint read from, at once or layer by layer
   * @param stream whether each pre-fill reads the layers
   * @param withHead whether the output head is needed
   */
  ModelTensors(Backend backend, Checkpoint checkpoint, boolean stream, boolean withHead) {
    this.backend = backend;
    this.checkpoint = checkpoint;
    this.stream = stream;
    ModelConfig config = checkpoint.config();
    boolean complete = false;
    try {
      embedding = upload(checkpoint.embedding(), "the embedding");
      finalNorm = upload(checkpoint.finalNorm(), "the final norm");
      if (withHead) {
        addHead();
      }
      for (int l = 0; !stream && l < config.layers(); l++) {
        resident.add(LayerTensors.uploaded(backend, checkpoint.layer(l), config, l, owned));
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
    owned.add(tensor);
    return tensor;
  }

  ModelConfig config() {
    return checkpoint.config();
  }

  /** Uploads the output head for an engine that computes logits, unless it is there. */
  synchronized void addHead() {
    if (head == null) {
      head = config().tiedEmbedding() ? embedding : upload(checkpoint.lmHead(), "the output head");
    }
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

  /** Where streamed layers go that one pre-fill reads; none where they are resident. */
  LayerTensors[] streamed(Buffers buffers) {
    return stream ? LayerFeed.Streamed.tensors(buffers, config()) : new LayerTensors[0];
  }

  /**
   * The layers in order, for one pass.
   *
   * @param reader the backend of the pre-fill: where layers are streamed, several pre-fills do so
   *     at the same time
   * @param streamed what {@link #streamed} made
   */
  LayerFeed feed(Backend reader, LayerTensors[] streamed) {
    return stream
        ? new LayerFeed.Streamed(reader, checkpoint, streamed)
        : new LayerFeed.Resident(resident);
  }

  @Override
  public void close() {
    owned.forEach(Tensor::close);
    backend.close();
  }
}
