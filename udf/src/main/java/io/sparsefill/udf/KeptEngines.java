package io.sparsefill.udf;

import io.sparsefill.udf.model.ModelConfig;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engines of the same options on one device: on a GPU a single one, which tasks take in turns
 * for a document each, on the CPU as many as tasks pre-fill at once. Its owner {@link
 * ExecutorEngines} counts the leases.
 */
final class KeptEngines {
  /**
   * What tells engines apart.
   *
   * @param ordinal which GPU of those that the process sees
   */
  record Key(EngineOptions options, BackendKind kind, int ordinal) {
    boolean isOnDeviceOf(Key other) {
      return kind == other.kind && ordinal == other.ordinal;
    }

    boolean sharesWeightsWith(Key other) {
      return SharedModel.Key.of(options, kind, ordinal)
          .equals(SharedModel.Key.of(other.options, other.kind, other.ordinal));
    }
  }

  /** Makes an engine on a GPU of those that the process sees. */
  @FunctionalInterface
  interface Opener {
    Engine open(EngineOptions options, int ordinal);
  }

  private static final Logger LOG = LoggerFactory.getLogger(KeptEngines.class);

  private final Key key;
  private final Opener opener;
  private final Semaphore turns;
  private final ReentrantLock opening = new ReentrantLock(true);
  private final List<Engine> all = new ArrayList<>(); // guarded by itself, as is free
  private final Deque<Engine> free = new ArrayDeque<>();
  private volatile Engine first;

  /** Leases that are open; guarded by the owner. */
  int leases;

  /** Changes with each lease, so that an old wish to close finds that it is one; the owner's. */
  long uses;

  KeptEngines(Key key, Opener opener, int atOnce) {
    this.key = key;
    this.opener = opener;
    this.turns = new Semaphore(atOnce, true);
  }

  Key key() {
    return key;
  }

  /** Opens the first engine, unless it is open: callers that come meanwhile wait. */
  void openFirst() throws InterruptedException {
    opening.lockInterruptibly();
    try {
      if (first == null) {
        if (key.kind() == BackendKind.CUDA) {
          LOG.info(
              "Opening GPU {} of those that the process sees, CUDA_VISIBLE_DEVICES is {}",
              key.ordinal(),
              System.getenv("CUDA_VISIBLE_DEVICES"));
        }
        Engine engine = opener.open(key.options(), key.ordinal());
        synchronized (all) {
          all.add(engine);
          free.add(engine);
        }
        first = engine;
      }
    } finally {
      opening.unlock();
    }
  }

  boolean isOpen() {
    return first != null;
  }

  /** The device. */
  String device() {
    return first.device();
  }

  /** The model's configuration. */
  ModelConfig config() {
    return first.config();
  }

  /** An engine that nobody uses; waits for one, first come, first served. */
  Engine take() throws InterruptedException {
    turns.acquire();
    boolean taken = false;
    try {
      Engine engine;
      synchronized (all) {
        engine = free.poll();
      }
      if (engine == null) { // all are in use, and there may be more
        engine = opener.open(key.options(), key.ordinal());
        synchronized (all) {
          all.add(engine);
        }
      }
      taken = true;
      return engine;
    } finally {
      if (!taken) {
        turns.release();
      }
    }
  }

  /** Ends the use of an engine. */
  void giveBack(Engine engine) {
    synchronized (all) {
      free.push(engine);
    }
    turns.release();
  }

  /** How many callers wait for an engine. */
  int waiting() {
    return turns.getQueueLength();
  }

  /** Closes all; nobody uses one. Every one is closed even if one fails. */
  void close() {
    RuntimeException failure = null;
    synchronized (all) {
      for (Engine engine : all) {
        try {
          engine.close();
        } catch (RuntimeException e) {
          if (failure == null) {
            failure = e;
          } else {
            failure.addSuppressed(e);
          }
        }
      }
      all.clear();
      free.clear();
    }
    if (failure != null) {
      throw failure;
    }
  }
}
