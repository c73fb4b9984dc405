package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;
import io.sparsefill.udf.model.Checkpoint;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * The models that this JVM holds: each is loaded by the first task that asks, shared by all, and
 * freed by the last one that closes its lease.
 */
final class SharedModel {
  private static final Map<Key, SharedModel> OPEN = new HashMap<>();

  private final ModelTensors tensors;
  private int leases;

  private SharedModel(ModelTensors tensors) {
    this.tensors = tensors;
  }

  /** What makes two models different; what is emitted does not. */
  record Key(String model, BackendKind kind, int ordinal, boolean stream) {
    static Key of(EngineOptions options, BackendKind kind, int ordinal) {
      return new Key(options.model(), kind, ordinal, options.streams());
    }
  }

  /** One task's hold on a model. */
  static final class Lease implements AutoCloseable {
    private final Key key;
    private final SharedModel model;
    private boolean closed;

    private Lease(Key key, SharedModel model) {
      this.key = key;
      this.model = model;
    }

    ModelTensors tensors() {
      return model.tensors;
    }

    @Override
    public void close() {
      synchronized (OPEN) {
        if (closed) {
          return;
        }
        closed = true;
        if (--model.leases == 0) {
          OPEN.remove(key);
          model.tensors.close();
        }
      }
    }
  }

  /**
   * The model of the options on a kind of backend; loads it if no other task has. Tasks that come
   * meanwhile wait.
   *
   * @param ordinal which GPU of those that the process sees
   */
  static Lease acquire(EngineOptions options, BackendKind kind, int ordinal) {
    Key key = Key.of(options, kind, ordinal);
    boolean withHead = DocumentMemory.withHead(options.emit());
    synchronized (OPEN) {
      SharedModel model = OPEN.get(key);
      if (model == null) {
        model = new SharedModel(load(key, options.threads(), withHead));
        OPEN.put(key, model);
      } else if (withHead) {
        model.tensors.addHead();
      }
      model.leases++;
      return new Lease(key, model);
    }
  }

  /** How many models this JVM holds. */
  static int held() {
    synchronized (OPEN) {
      return OPEN.size();
    }
  }

  private static ModelTensors load(Key key, int threads, boolean withHead) {
    Checkpoint checkpoint = Checkpoint.open(Path.of(key.model()));
    // Uploads run on a backend of their own, because the tensors outlive every task's.
    Backend uploader = key.kind().open(key.ordinal(), threads);
    return new ModelTensors(uploader, checkpoint, key.stream(), withHead);
  }
}
