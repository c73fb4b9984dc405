package io.sparsefill.udf;

import io.sparsefill.udf.model.ModelConfig;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engines of the same options on one device: on a GPU a single one, which tasks take in turns
 * for a document each, on the CPU as many as tasks pre-fill at once. Turns are the device's ({@link
 * DeviceTurns}). The owner {@link ExecutorEngines} counts the leases.
 */
final class KeptEngines {
  /**
   * What tells engines apart.
   *
   * @param ordinal which GPU of those that the process sees
   */
  record Key(EngineOptions options, BackendKind kind, int ordinal) {
    Device device() {
      return new Device(kind, ordinal);
    }

    boolean isOnDeviceOf(Key other) {
      return device().equals(other.device());
    }

    boolean sharesWeightsWith(Key other) {
      return SharedModel.Key.of(options, kind, ordinal)
          .equals(SharedModel.Key.of(other.options, other.kind, other.ordinal));
    }
  }

  /** What computes: all CPUs, or one of the GPUs. */
  record Device(BackendKind kind, int ordinal) {}

  /** Makes an engine on a GPU of those that the process sees. */
  @FunctionalInterface
  interface Opener {
    Engine open(EngineOptions options, int ordinal);
  }

  private static final Logger LOG = LoggerFactory.getLogger(KeptEngines.class);

  private final Key key;
  private final Opener opener;
  private final DeviceTurns turns;
  private final ReentrantLock opening = new ReentrantLock(true);
  private final List<Engine> all = new ArrayList<>(); // guarded by itself, as is free
  private final Deque<Engine> free = new ArrayDeque<>();
  private volatile Engine first;

  /** Leases that are open; guarded by the owner. */
  int leases;

  /** Changes with each lease, so that an old wish to close finds that it is one; the owner's. */
  long uses;

  KeptEngines(Key key, Opener opener, DeviceTurns turns) {
    this.key = key;
    this.opener = opener;
    this.turns = turns;
  }

  Key key() {
    return key;
  }

  /**
   * Opens the first engine, unless it is open: callers that come meanwhile wait. It takes a turn on
   * the device, and idle engines there give their reserved memory back first: weights come.
   */
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
        turns.take();
        try {
          turns.unreserve(null);
          Engine engine = open();
          synchronized (all) {
            free.add(engine);
          }
          first = engine;
        } finally {
          turns.giveBack();
        }
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

  private Engine open() {
    Engine engine = opener.open(key.options(), key.ordinal());
    synchronized (all) {
      all.add(engine);
    }
    turns.add(engine);
    return engine;
  }

  /** An engine that nobody uses; waits for the device, first come, first served. */
  Engine take() throws InterruptedException {
    turns.take();
    boolean taken = false;
    try {
      Engine engine;
      synchronized (all) {
        engine = free.poll();
      }
      if (engine == null) { // all are in use, and there may be more
        engine = open();
      }
      taken = true;
      return engine;
    } finally {
      if (!taken) {
        turns.giveBack();
      }
    }
  }

  /** Sees to it that an engine that was taken finds the memory which others need not hold. */
  void makeRoom(Engine engine, int tokens, int room) {
    turns.makeRoom(engine, tokens, room);
  }

  /** The same for work whose memory is not a document's: others hold nothing then. */
  void makeRoom(Engine engine) {
    turns.makeRoom(engine);
  }

  /** Ends the use of an engine. */
  void giveBack(Engine engine) {
    synchronized (all) {
      free.push(engine);
    }
    turns.giveBack();
  }

  /** How many callers wait for the device. */
  int waiting() {
    return turns.waiting();
  }

  /** Closes all; nobody uses one. Every one is closed even if one fails. */
  void close() {
    RuntimeException failure = null;
    synchronized (all) {
      for (Engine engine : all) {
        turns.remove(engine);
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
