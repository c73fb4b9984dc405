package io.sparsefill.udf;

import io.sparsefill.kernels.OutOfDeviceMemory;
import io.sparsefill.udf.model.ModelConfig;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

/**
 * One task's hold on an engine of its executor ({@link ExecutorEngines}). Closing it ends neither
 * the engine nor its model: they are there for the next task.
 */
public final class EngineLease implements AutoCloseable {
  private final ExecutorEngines owner;
  private final KeptEngines engines;
  private final AtomicLong queuedNanos = new AtomicLong();
  private final AtomicBoolean closed = new AtomicBoolean();

  EngineLease(ExecutorEngines owner, KeptEngines engines) {
    this.owner = owner;
    this.engines = engines;
  }

  /**
   * Pre-fills one document as {@link Engine#prefill} does; waits for its turn on the device, first
   * come, first served.
   *
   * @throws InterruptedException if the thread is interrupted, also while it waits
   * @throws DeviceLost if the GPU can no longer be used, by this document's fault or an earlier
   *     one's; the task must fail, not the document
   * @throws Exception what went wrong with this document, or what the sink threw
   */
  public PrefillResult prefill(int[] tokens, KvSink sink) throws Exception {
    return prefill(null, tokens, sink);
  }

  /**
   * The same; where the attention keeps the lines of an earlier document, those of a given one,
   * whichever engine serves and whatever it served before.
   *
   * @param first token ids of that document; pre-filled in the same turn if its lines are not there
   *     yet. Null leaves the engine's first document as it is
   */
  public PrefillResult prefill(int[] first, int[] tokens, KvSink sink) throws Exception {
    return turn(
        first,
        tokens.length,
        0,
        engine -> {
          PrefillResult result = engine.prefill(tokens, sink);
          return new Turn<>(result, result);
        });
  }

  /** What is done with a document's cache; it is closed when this returns. */
  @FunctionalInterface
  public interface CacheUse<R> {
    /**
     * Uses it.
     *
     * @throws Exception what then counts as the document's failure
     */
    R with(KeptCache cache) throws Exception;
  }

  /**
   * Pre-fills one document as {@link Engine#prefillKeeping} does and uses its cache, both in one
   * turn on the device.
   *
   * @return what the use returned
   * @throws Exception what went wrong with this document, or what the sink or the use threw; see
   *     {@link #prefill}
   */
  public <R> R prefillKeeping(int[] tokens, KvSink sink, int room, CacheUse<R> use)
      throws Exception {
    return prefillKeeping(null, tokens, sink, room, use);
  }

  /**
   * The same; where the attention keeps the lines of an earlier document, those of a given one.
   *
   * @param first token ids of that document, or null, as for {@link #prefill(int[], int[], KvSink)}
   */
  public <R> R prefillKeeping(int[] first, int[] tokens, KvSink sink, int room, CacheUse<R> use)
      throws Exception {
    return turn(
        first,
        tokens.length,
        room,
        engine -> {
          try (KeptCache cache = engine.prefillKeeping(tokens, sink, room)) {
            return new Turn<>(cache.prefill(), use.with(cache));
          }
        });
  }

  /** What came out of a turn. */
  private record Turn<R>(PrefillResult prefill, R value) {}

  /** What is done in a turn. */
  private interface Work<R> {
    Turn<R> on(Engine engine) throws Exception;
  }

  private <R> R turn(int[] first, int tokens, int room, Work<R> work) throws Exception {
    long asked = System.nanoTime();
    Engine engine = take();
    long begun = System.nanoTime();
    try {
      owner.refuseIfLost(); // the document before may have cost the device
      engines.makeRoom(engine, first == null ? tokens : Math.max(tokens, first.length), room);
      if (first != null) {
        engine.keepLinesOf(first);
      }
      Turn<R> turn = work.on(engine);
      owner.tally().add(turn.prefill(), begun - asked, System.nanoTime() - begun);
      return turn.value();
    } catch (InterruptedException e) {
      throw e; // no document's failure
    } catch (OutOfDeviceMemory e) {
      owner.tally().addFailed(begun - asked);
      throw owner.explained(e, engines.key(), tokens, room);
    } catch (Exception | Error e) {
      owner.tally().addFailed(begun - asked);
      owner.failIfLost(e);
      throw e;
    } finally {
      engines.giveBack(engine);
    }
  }

  /**
   * Shows the layers of one document to an observer, as {@link Engine#observe} does; waits for its
   * turn as {@link #prefill} does, and throws likewise. It does not count among the figures of what
   * was pre-filled.
   */
  public void observe(int[] tokens, LayerObserver observer) throws Exception {
    Engine engine = take();
    try {
      owner.refuseIfLost();
      engines.makeRoom(engine);
      engine.observe(tokens, observer);
    } catch (InterruptedException e) {
      throw e; // no document's failure
    } catch (OutOfDeviceMemory e) {
      throw owner.explained(e, engines.key(), tokens.length, 0);
    } catch (Exception | Error e) {
      owner.failIfLost(e);
      throw e;
    } finally {
      engines.giveBack(engine);
    }
  }

  /** An engine, when it is this lease's turn. */
  private Engine take() throws InterruptedException {
    if (closed.get()) {
      throw new IllegalStateException("Cannot pre-fill: the lease of the engine is closed");
    }
    long asked = System.nanoTime();
    try {
      return engines.take();
    } finally {
      queuedNanos.addAndGet(System.nanoTime() - asked);
    }
  }

  /** The device. */
  public String device() {
    return engines.device();
  }

  /** The model's configuration. */
  public ModelConfig config() {
    return engines.config();
  }

  /** Seconds in which documents of this lease waited for those of others. */
  public double queuedSeconds() {
    return queuedNanos.get() / 1e9;
  }

  /** How many documents wait for a turn, of this lease and others. */
  int waiting() {
    return engines.waiting();
  }

  /** Gives the engine back. */
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      owner.end(engines);
    }
  }
}
